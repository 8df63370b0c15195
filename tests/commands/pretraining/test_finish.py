"""What a pre-training leaves, taken into other code bases, and the commands that it ends with, given."""

import errno
import os
import shlex
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

import mmsimmim
from mmsimmim.__main__ import main
from mmsimmim.architectures import SWIN
from mmsimmim.checkpoints.reading import files as checkpoint_files
from mmsimmim.commands.pretraining import finish
from mmsimmim.commands.pretraining.following import next_commands
from mmsimmim.errors import UserError
from tests.downstream.stock_models import build
from tests.downstream.tiny_data import CLASSES, write_data

ATTO = SWIN['atto']
WIDTHS = [24, 48, 96, 192]
WINDOW = 4


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def encoder_of(checkpoint):
    return {name: value for name, value in weights(checkpoint).items()
            if name.startswith('backbone.') and name != 'backbone.mask_token'}


@pytest.fixture(scope='module')
def inputs():
    return torch.randn(2, 3, 128, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope='module')
def last_map(run, inputs):
    """Of our encoder, from the checkpoint of the training itself."""
    return mmsimmim.load(run.result.checkpoint, kind='encoder', dtype=torch.float64)(inputs)[-1]


def assert_same(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
class TestCodeBases:

    def test_ours_has_every_bit(self, run):
        trained = encoder_of(run.result.checkpoint)
        loaded = mmsimmim.load(run.result.files['backbone']).state_dict()
        assert len(trained) > 50 and all(torch.equal(loaded[name], value) for name, value in trained.items())

    @pytest.mark.parametrize('framework', ['mmdet', 'mmseg'])
    def test_mask_rcnn_and_upernet_of_the_stock_configs(self, run, inputs, last_map, framework):
        """With the framework's own Swin, and with ours in its place."""
        common = dict(window_size=WINDOW, drop_path_rate=0., out_indices=(0, 1, 2, 3),
                      init_cfg=dict(type='Pretrained', checkpoint=run.result.files['backbone']))
        maps = []
        for backbone in (dict(type='SwinTransformer', **ATTO), dict(type='mmsimmim.SwinTransformer', arch='atto')):
            model = build(framework, dict(backbone, **common), channels=WIDTHS)
            model.backbone.init_weights()
            model.double().eval()
            maps.append(model.backbone(inputs))
        assert [level.shape[1] for level in maps[0]] == WIDTHS
        for theirs, ours in zip(*maps):
            assert_same(ours, theirs)
        assert_same(last_map, maps[0][-1])

    def test_timm(self, run, inputs, last_map):
        timm = pytest.importorskip('timm.models.swin_transformer')
        safetensors = pytest.importorskip('safetensors.torch')
        model = timm.SwinTransformer(img_size=128, patch_size=4, window_size=WINDOW, num_classes=0, **{
            key: ATTO[key] for key in ('depths', 'num_heads')}, embed_dim=ATTO['embed_dims'])
        model.load_state_dict(safetensors.load_file(run.result.files['timm']))
        assert_same(last_map, model.double().eval().forward_features(inputs).permute(0, 3, 1, 2))

    def test_hugging_face(self, run, inputs, last_map, tmp_path):
        transformers = pytest.importorskip('transformers')
        if not transformers.is_torch_available():
            pytest.skip('this transformers works with newer releases of torch only')
        transformers.SwinConfig(
            image_size=128, patch_size=4, window_size=WINDOW, embed_dim=ATTO['embed_dims'], depths=ATTO['depths'],
            num_heads=ATTO['num_heads'], encoder_stride=32).save_pretrained(tmp_path)
        os.symlink(run.result.files['hf'], tmp_path / 'model.safetensors')
        model, info = transformers.SwinForMaskedImageModeling.from_pretrained(
            tmp_path, output_loading_info=True, dtype=torch.float64)
        assert not info['missing_keys'] and not info['mismatched_keys']
        theirs = model.eval().swin(inputs).last_hidden_state
        assert_same(last_map, theirs.transpose(1, 2).reshape(last_map.shape))


@pytest.mark.slow
class TestNextCommands:

    def test_pictures(self, run, monkeypatch):
        program, *arguments = shlex.split(run.result.summary['next_commands'][0])
        monkeypatch.setattr(sys, 'argv', [program, *arguments])
        main()
        assert len(list((run.out / 'reconstructions').rglob('*.png'))) == 8

    @pytest.mark.parametrize('number, short', [
        (1, ('data_root={data}', 'train_ann_file={data}/instances.json', 'train_images={data}/images',
             'train_cfg.max_epochs=1', 'train_dataloader.batch_size=4', 'model.rpn_head.feat_channels=16',
             'train_dataloader.dataset.pipeline.4.transforms.0.0.scales=[(64,64)]',
             'train_dataloader.dataset.pipeline.4.transforms.1.2.scales=[(64,64)]')),
        (2, ('data_root={data}', 'train_images=images', 'train_labels=labels', 'img_suffix=.png',
             'train_cfg.max_iters=1', 'param_scheduler.0.end=1', 'param_scheduler.1.begin=0', 'model.decode_head.channels=16', 'train_dataloader.batch_size=2')),
    ])
    def test_a_detector_and_a_segmentor_train_from_it(self, run, tmp_path, monkeypatch, number, short):
        write_data(tmp_path)
        program, *arguments = shlex.split(run.result.summary['next_commands'][number])
        arguments[-2:] = [option.format(data=tmp_path) for option in short]
        arguments += [f'classes=[{",".join(CLASSES)}]', 'train_dataloader.num_workers=0',
                      'train_dataloader.persistent_workers=False', 'optim_wrapper.optimizer.lr=1e-30',
                      '--no-validate', '--work-dir', str(tmp_path / 'work')]
        monkeypatch.setattr(sys, 'argv', [program, *arguments])
        main()
        checkpoint, = (tmp_path / 'work').glob('*_1.pth')
        found, trained = weights(checkpoint), encoder_of(run.result.checkpoint)
        same = [name for name, value in trained.items()
                if found[name].shape == value.shape and torch.allclose(found[name], value, rtol=0, atol=1e-6)]
        assert len(same) == len(trained) - 8  # the others are tables of 8 blocks, for windows of 7
