"""Options for the size of an encoder reach all that must fit its maps: the shipped configs, of each framework."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
from pathlib import Path

import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope, init_default_scope

from mmsimmim.architectures import SWIN, SWIN_V2, VIT
from mmsimmim.commands.checks.encoder_outputs import check_encoder_outputs
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS

CONFIGS = Path(__file__).parents[3] / 'configs'
PRETRAIN = 'pretrain/simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'
VIT_PRETRAIN = 'pretrain/simmim_vit-base-p16_16xb128-amp-steplr-800e_in1k-224px.py'
CLASSIFIER = 'cls/swin-base-w7_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
PROBE = 'cls/vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k-224px_simmim-800e.py'
MASK_RCNN = 'det/mask-rcnn_swin-tiny-w7-fpn_8xb2-amp-1x_coco_simmim-100e.py'
ATSS = 'det/atss_swin-tiny-w7-fpn_8xb2-amp-1x_coco_simmim-100e.py'
VITDET = 'det/vitdet_mask-rcnn_vit-base-p16_8xb8-amp-lsj-3x_coco_simmim-800e.py'
UPERNET = 'seg/upernet_swin-base-w7_8xb2-amp-160k_ade20k-512px_simmim-800e.py'
UPERNET_VIT = 'seg/upernet_vit-base-p16_8xb2-amp-160k_ade20k-512px_simmim-800e.py'


@pytest.fixture(autouse=True)
def no_scope_stays():
    yield
    DefaultScope._instance_dict.clear()


def read(name, **options):
    return read_with_options(str(CONFIGS / name), {key.replace('__', '.'): value for key, value in options.items()})


def build(cfg):
    init_default_scope(cfg.default_scope)
    with torch.device('meta'):
        return revert_sync_batchnorm(MODELS.build(cfg.model))


@pytest.mark.parametrize('name, arch, expected', [
    (PRETRAIN, 'tiny', {'neck.in_channels': 768, 'neck.encoder_stride': 32}),
    (PRETRAIN, 'nano', {'neck.in_channels': 512}),
    (VIT_PRETRAIN, 'deit-s', {'neck.in_channels': 384, 'neck.encoder_stride': 16}),
    (CLASSIFIER, 'f', {'head.in_channels': 384}),
    (PROBE, 'deit-tiny', {'neck.1.input_features': 192, 'head.in_channels': 192}),
    (MASK_RCNN, 'nano', {'neck.in_channels': [64, 128, 256, 512], 'neck.out_channels': 256}),
    (ATSS, 'base', {'neck.in_channels': [256, 512, 1024]}),
    (VITDET, 'deit-small', {'neck.in_channels': 384}),
    (UPERNET, 'nano', {'decode_head.in_channels': [64, 128, 256, 512], 'auxiliary_head.in_channels': 256,
                       'decode_head.channels': 512}),
    (UPERNET_VIT, 'deit-small', {'neck.embed_dim': 384, 'decode_head.in_channels': [384] * 4,
                                 'auxiliary_head.in_channels': 384, 'decode_head.channels': 768})])
def test_what_takes_the_maps_follows_a_name(name, arch, expected):
    cfg, messages = read(name, model__backbone__arch=arch)
    for key, value in expected.items():
        part = cfg.model
        for step in key.split('.'):
            part = part[int(step) if step.isdigit() else step]
        assert part == value, key
    changed = [message.split(':')[0] for message in messages if 'to fit the encoder' in message]
    original = read(name)[0]
    assert sorted(changed) == sorted(f'model.{key}' for key, value in expected.items()
                                     if not _has(original.model, key, value))
    check_encoder_outputs(cfg)


def _has(part, key, value):
    for step in key.split('.'):
        part = part[int(step) if step.isdigit() else step]
    return part == value


def test_the_model_then_runs():
    """The check above looks at the settings; here are the maps themselves, without memory."""
    for name, shape in ((PRETRAIN, (2, 3, 192, 192)), (CLASSIFIER, (2, 3, 224, 224)), (UPERNET, (2, 3, 512, 512))):
        model = build(read(name, model__backbone__arch='atto')[0]).eval()
        with torch.no_grad():
            images = torch.zeros(shape, device='meta')
            if name == PRETRAIN:
                assert model.neck(model.extract_feat(images)[-1]).shape == shape
            elif name == CLASSIFIER:
                assert model(images, mode='tensor').shape == (2, 1000)
            else:
                assert model(images, mode='tensor').shape[:2] == (2, 150)


@pytest.mark.parametrize('name, options, arch', [
    (PRETRAIN, dict(model__backbone__arch__embed_dims=48), dict(SWIN['base'], embed_dims=48)),
    (PRETRAIN, dict(model__backbone__arch='nano', model__backbone__arch__embed_dims=48),
     dict(SWIN['nano'], embed_dims=48)),
    ('pretrain/simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-800e_in1k-192px.py',
     dict(model__backbone__arch__num_heads=[4, 8, 16, 32]), dict(SWIN_V2['huge'], num_heads=[4, 8, 16, 32])),
    (VIT_PRETRAIN, dict(model__backbone__arch__num_layers=4), dict(VIT['base'], num_layers=4)),
    (VIT_PRETRAIN, dict(model__backbone__arch__embed_dims=192),
     dict(VIT['base'], embed_dims=192, feedforward_channels=768)),
    (VIT_PRETRAIN, dict(model__backbone__arch__embed_dims=192, model__backbone__arch__feedforward_channels=100),
     dict(VIT['base'], embed_dims=192, feedforward_channels=100))])
def test_one_number_of_a_name(name, options, arch):
    cfg, messages = read(name, **options)
    assert cfg.model.backbone.arch == arch
    last = arch['embed_dims'] * (1 if 'num_layers' in arch else 8)
    assert cfg.model.neck.in_channels == last and not [line for line in messages if 'no such key' in line]
    check_encoder_outputs(cfg)
    assert SWIN['base']['embed_dims'] == 128 and SWIN['base']['depths'] == [2, 2, 18, 2]  # ours stay as they are


def test_layer_decay_counts_the_blocks_of_the_option():
    backbone = build(read(CLASSIFIER, model__backbone__arch__depths=[2, 2, 4, 2])[0]).backbone
    assert backbone.get_layer_depth('backbone.stages.3.blocks.1.norm1.weight', 'backbone.') == (10, 12)


def test_fewer_stages():
    cfg, _ = read(PRETRAIN, model__backbone__arch__depths=[2, 2, 6], model__backbone__arch__num_heads=[4, 8, 16],
                  model__backbone__out_indices=2)
    assert (cfg.model.neck.in_channels, cfg.model.neck.encoder_stride) == (512, 16)
    with torch.no_grad():
        model = build(cfg)
        assert model.neck(model.extract_feat(torch.zeros(1, 3, 192, 192, device='meta'))[-1]).shape == (1, 3, 192, 192)
    with pytest.raises(ValueError, match=r'out_indices \(3,\) must name stages, from 0 to 2'):
        build(read(PRETRAIN, model__backbone__arch__depths=[2, 2, 6], model__backbone__arch__num_heads=[4, 8, 16])[0])


def test_what_an_option_sets_stays_and_is_refused_where_it_does_not_fit():
    cfg, messages = read(PRETRAIN, model__backbone__arch='tiny', model__neck__in_channels=1024)
    assert cfg.model.neck.in_channels == 1024 and not [line for line in messages if 'to fit' in line]
    with pytest.raises(UserError, match='model.neck.in_channels is 1024 .* Set model.neck.in_channels=768'):
        check_encoder_outputs(cfg)
    cfg, _ = read(MASK_RCNN, model__backbone__arch='nano', model__backbone__out_indices=[1, 2, 3])
    with pytest.raises(UserError, match=r'gives 3 maps with \[128, 256, 512\]'):
        check_encoder_outputs(cfg)


def test_no_arch_option_changes_nothing():
    cfg, messages = read(PRETRAIN, model__backbone__drop_path_rate=0.1)
    assert not messages and cfg.model.neck == read(PRETRAIN)[0].model.neck
    with pytest.raises(UserError, match='does not fit'):
        read(PRETRAIN, model__backbone__arch='tinny', model__backbone__arch__embed_dims=48)
