"""What is compiled, and for which sizes; only captured here, as its numbers are tested on the golden vectors."""

import os
import random
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

from mmsimmim.engine import compiling
from mmsimmim.engine.compiling import WATCHED_STEPS, compile_model, keep_compiled, read_switch
from mmsimmim.errors import UserError
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer
from tests.models.tiny import VQKD, build, token_target

ARCH = dict(embed_dims=8, depths=[1, 2], num_heads=[1, 2])


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def batch(images, size=64):
    generator = torch.Generator().manual_seed(images)
    mask = torch.rand(images, size // 16, size // 16, generator=generator) < 0.6
    mask = mask.repeat_interleave(4, 1).repeat_interleave(4, 2)
    return torch.randn(images, 3, size, size, generator=generator), mask


def gradients(model, function, *args):
    model.zero_grad()
    loss = function(*args)
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in model.parameters())]


def test_pretraining_is_one_graph_for_one_size():
    model, counter = build(), CompileCounterWithBackend('eager')
    names, eager = list(model.state_dict()), model.masked_loss
    assert 'one graph' in compile_model(model, backend=counter)
    for images in (4, 4, 3, 2, 4):
        expected = gradients(model, eager, *batch(images))
        torch.testing.assert_close(gradients(model, model.masked_loss, *batch(images)), expected)
    assert counter.frame_count == 1
    assert list(model.state_dict()) == names


def test_evaluation_of_the_loss_compiles_nothing():
    model, counter = build(), CompileCounterWithBackend('eager')
    compile_model(model, backend=counter)
    with torch.no_grad():
        model.masked_loss(*batch(2))
    assert counter.frame_count == 0


class Detector(nn.Module):
    """As much of one as matters: a backbone, and something after it."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, images):
        return sum(out.square().mean() for out in self.backbone(images))


def encoder(kind):
    torch.manual_seed(0)
    if kind == 'vit':
        arch = dict(embed_dims=8, num_layers=3, num_heads=2, feedforward_channels=16)
        return VisionTransformer(arch, img_size=64, window_size=2, global_attn_indexes=[1], out_type='featmap',
                                 with_cls_token=False, drop_path_rate=0.)
    kinds = dict(swin=SwinTransformer, swin_v2=SwinTransformerV2)
    return kinds[kind](ARCH, window_size=3, out_indices=(0, 1), drop_path_rate=0.)


@pytest.mark.parametrize('kind', ['swin', 'swin_v2', 'vit'])
def test_any_number_of_sizes_is_a_handful_of_graphs(kind):
    """Both sides vary, with and without padding to whole windows."""
    model, counter = Detector(encoder(kind)).train(), CompileCounterWithBackend('eager')
    names, plain = list(model.state_dict()), Detector(encoder(kind)).train()
    compile_model(model, backend=counter)
    sides = random.Random(0)
    graphs = []
    for _ in range(WATCHED_STEPS + 7):
        images = torch.randn(2, 3, sides.randrange(32, 97, 16), sides.randrange(32, 97, 16))
        torch.testing.assert_close(gradients(model, model, images), gradients(plain, plain, images))
        graphs.append(counter.frame_count)
    assert graphs[WATCHED_STEPS - 1] == 0
    assert 0 < graphs[WATCHED_STEPS + 3] == graphs[-1] <= 12
    with torch.no_grad():
        model.eval()(images)
    assert counter.frame_count == graphs[-1]
    assert list(model.state_dict()) == names


def test_one_size_is_one_graph():
    model, counter = Detector(encoder('swin')).train(), CompileCounterWithBackend('eager')
    plain = Detector(encoder('swin')).train()
    compile_model(model, backend=counter)
    for side in [64] * (WATCHED_STEPS + 2) + [80]:
        images = torch.randn(2, 3, side, side)
        torch.testing.assert_close(gradients(model, model, images), gradients(plain, plain, images))
    assert counter.frame_count == 1
    model.eval()(torch.randn(1, 3, 64, 64))
    assert counter.frame_count == 1


def test_a_sharded_detector_is_compiled_between_what_is_gathered(monkeypatch):
    monkeypatch.setattr(compiling, 'is_sharded', lambda model: True)
    model, counter = Detector(encoder('swin')).train(), CompileCounterWithBackend('eager')
    plain = Detector(encoder('swin')).train()
    compile_model(model, backend=counter)
    for step in range(WATCHED_STEPS + 3):
        images = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(gradients(model, model, images), gradients(plain, plain, images))
        assert counter.frame_count == (3 if step >= WATCHED_STEPS else 0)


def test_a_model_without_a_backbone_is_refused():
    with pytest.raises(UserError, match='Linear has no backbone'):
        compile_model(nn.Linear(2, 2))


@pytest.mark.parametrize('given, hooks', [
    (None, None), (False, None), (True, [dict(type='mmsimmim.CompileHook')]),
    (dict(mode='default'), [dict(type='mmsimmim.CompileHook', mode='default')]),
    ({}, [dict(type='mmsimmim.CompileHook')])])
def test_switch_of_a_config(given, hooks):
    cfg = Config(dict() if given is None else dict(compile=given))
    read_switch(cfg)
    assert 'compile' not in cfg
    assert cfg.get('custom_hooks') == hooks


def test_switch_adds_to_other_hooks():
    cfg = Config(dict(compile=True, custom_hooks=[dict(type='EMAHook')]))
    read_switch(cfg)
    assert [hook['type'] for hook in cfg.custom_hooks] == ['EMAHook', 'mmsimmim.CompileHook']


def test_another_value_is_refused():
    with pytest.raises(UserError, match="'yes'"):
        read_switch(Config(dict(compile='yes')))


@pytest.mark.parametrize('options, message', [
    (dict(mod='default'), 'no option mod'), (dict(type='EMAHook'), 'no option type'),
    (dict(mode='fast'), "mode 'fast' is none of"), (dict(backend='none'), "backend 'none' is none of.*inductor")])
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        read_switch(Config(dict(compile=options)))


def test_options_in_a_child_of_a_shipped_config(tmp_path):
    shipped = Path('configs/pretrain/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py').resolve()
    path = tmp_path / 'child.py'
    path.write_text(f"_base_ = {str(shipped)!r}\ncompile = dict(mode='default')\n")
    cfg = Config.fromfile(path)
    read_switch(cfg)
    assert cfg.custom_hooks[-1] == dict(type='mmsimmim.CompileHook', mode='default')


def test_a_tokenizer_may_break_the_graph():
    """VQ-KD of mmpretrain asks for the value of a buffer."""
    model = build(token_target(VQKD), preprocessor=dict(mean=[120.] * 3, std=[60.] * 3))
    eager = model.masked_loss
    compile_model(model, backend='eager')
    torch.testing.assert_close(model.masked_loss(*batch(2)), eager(*batch(2)))


def test_what_is_compiled_is_kept(monkeypatch, tmp_path):
    for name in ('TORCHINDUCTOR_CACHE_DIR', 'TORCHINDUCTOR_FX_GRAPH_CACHE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    keep_compiled()
    assert os.environ['TORCHINDUCTOR_CACHE_DIR'] == str(tmp_path / 'mmsimmim' / 'compiled')
    monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', 'as the user says')
    keep_compiled()
    assert os.environ['TORCHINDUCTOR_CACHE_DIR'] == 'as the user says'
    keep_compiled('elsewhere')
    assert os.environ['TORCHINDUCTOR_CACHE_DIR'] == 'elsewhere'
