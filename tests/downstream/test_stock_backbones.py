"""The exported encoder of a pre-training runs in mmdet's and mmsegmentation's own Swin, without this package."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.runner import save_checkpoint

from mmsimmim.models import SwinTransformer
from mmsimmim.registry import MODELS
from tests.downstream.stock_models import ARCH, draw_weights

REPO = Path(__file__).resolve().parents[2]
NORMS = [f'backbone.norm{i}.{kind}' for i in range(3) for kind in ('weight', 'bias')]
TABLES = [f'backbone.stages.{i}.blocks.{j}.attn.w_msa.relative_position_bias_table' for i in range(4) for j in range(2)]
# Relative to the largest value; tables of window 7 are resized in float32.
TOLERANCE = {6: 1e-10, 7: 1e-5}


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    """A checkpoint of a SimMIM with windows of 6 tokens in all stages, as a training writes it."""
    model = MODELS.build(ConfigDict(
        type='mmsimmim.SimMIM', backbone=dict(type='mmsimmim.SwinTransformer', arch=ARCH, img_size=192, window_size=6),
        neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=128, encoder_stride=32),
        head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                  loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'))))
    draw_weights(model)
    path = tmp_path_factory.mktemp('pretrained') / 'epoch_100.pth'
    optimizer = torch.optim.AdamW(model.parameters()).state_dict()
    save_checkpoint(dict(meta=dict(epoch=100, iter=5), state_dict=model.state_dict(), optimizer=optimizer), str(path))
    return path


@pytest.fixture(scope='module')
def images():
    return torch.randn(2, 3, 101, 67, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture(scope='module')
def answer(pretrained, images, tmp_path_factory):
    """What the other process made of the exported files."""
    folder = tmp_path_factory.mktemp('exported')
    argv = sys.argv
    for framework in ('mmdet', 'mmseg'):
        sys.argv = ['convert_checkpoint.py', str(pretrained), str(folder / f'{framework}.pth'), '--to', framework]
        try:
            runpy.run_path(str(REPO / 'tools/model_converters/convert_checkpoint.py'), run_name='__main__')
        finally:
            sys.argv = argv
    torch.save(dict(arch=ARCH, images=images), folder / 'request.pth')
    script = Path(__file__).with_name('without_mmsimmim.py')
    process = subprocess.run([sys.executable, script, str(folder)], capture_output=True, text=True, cwd=folder,
                             timeout=300, env={**os.environ, 'PYTHONPATH': ''})
    assert process.returncode == 0, process.stderr
    return torch.load(folder / 'answer.pth', weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize('window_size', TOLERANCE)
@pytest.mark.parametrize('framework', ['mmdet', 'mmseg'])
def test_maps_equal_ours(answer, pretrained, images, framework, window_size):
    ours = SwinTransformer(ARCH, window_size=window_size, drop_path_rate=0., out_indices=(0, 1, 2, 3),
                           bias_resize='bicubic', init_cfg=dict(type='Pretrained', checkpoint=str(pretrained)))
    ours.init_weights()
    maps, theirs = ours.double().eval()(images), answer[framework, window_size]['maps']
    assert len(maps) == len(theirs) == 4
    for map, expected in zip(maps, theirs):
        assert map.shape == expected.shape
        assert (map - expected).abs().max() <= TOLERANCE[window_size] * expected.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize('framework', ['mmdet', 'mmseg'])
def test_everything_is_loaded_there(answer, framework):
    """The pre-training has one norm, that of the last map: those of the others begin as 1 and 0 on both sides."""
    same, resized = answer[framework, 6], answer[framework, 7]
    for outcome in (same, resized):
        assert sorted(outcome['not_given']) == sorted(NORMS) and not outcome['not_loaded']
    assert not same['other_values'] and sorted(resized['other_values']) == TABLES
