"""Layer-wise learning rates in the models of three frameworks, against mmpretrain's own constructor and by hand."""

from importlib import import_module
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import ModuleWrapPolicy

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from mmsimmim.errors import UserError
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer
from mmsimmim.models.backbones.swin import SwinBlock
from mmsimmim.registry import MODELS

TINY = dict(embed_dims=8, depths=[1, 2, 1, 1], num_heads=[1, 2, 2, 4])
TINY_VIT = dict(embed_dims=16, num_layers=2, num_heads=4, feedforward_channels=32)
SWIN = dict(type='mmsimmim.SwinTransformer', arch=TINY)
VIT = dict(type='mmsimmim.VisionTransformer', arch=TINY_VIT, img_size=32, out_type='avg_featmap')
RATE = 0.5


@pytest.fixture(autouse=True)
def no_scope_stays():
    yield
    DefaultScope._instance_dict.clear()


def build(model, scope='mmsimmim', weight_decay=0.05, lr=2., **paramwise_cfg):
    """The optimizer, and (learning rate, weight decay) of every trained parameter by name."""
    paramwise_cfg = {'layer_decay_rate': RATE, **paramwise_cfg}
    decay = {} if weight_decay is None else dict(weight_decay=weight_decay)
    wrapper = build_optim_wrapper(model, dict(
        type='OptimWrapper', optimizer=dict(type='AdamW', lr=lr, **decay), paramwise_cfg=paramwise_cfg,
        constructor=f'{scope}.LearningRateDecayOptimWrapperConstructor'))
    names = {id(parameter): name for name, parameter in getattr(model, 'module', model).named_parameters()}
    settings = {names[id(parameter)]: (group['lr'], group['weight_decay'])
                for group in wrapper.optimizer.param_groups for parameter in group['params']}
    return wrapper.optimizer, settings


def classifier(backbone, scope='mmpretrain', **head):
    init_default_scope(scope)
    return MODELS.build(dict(
        type='mmpretrain.ImageClassifier', backbone=backbone,
        neck=None if head else dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=head.get('in_channels', 64))))


@pytest.mark.parametrize('backbone, head', [
    (SWIN, {}), (dict(SWIN, type='mmsimmim.SwinTransformerV2'), {}),
    (VIT, dict(in_channels=16))])
def test_equals_mmpretrain_in_a_classifier(backbone, head):
    model = classifier(backbone, **head)
    rules = dict(flat_decay_mult=0., norm_decay_mult=0.5, bias_decay_mult=0.25,
                 custom_keys={'qkv': dict(decay_mult=0.1), 'layers.1.attn.qkv': dict(decay_mult=0.3)})
    optimizer, ours = build(model, **rules)
    _, theirs = build(model, scope='mmpretrain', **rules)
    assert ours == {name: pytest.approx(setting) for name, setting in theirs.items()}
    assert len(ours) == len(list(model.parameters()))
    assert len(optimizer.param_groups) == len(set(ours.values())) < len(ours) / 2


def test_groups_rise_to_the_full_rate():
    optimizer, _ = build(classifier(SWIN), flat_decay_mult=0.)
    rates = [group['lr'] for group in optimizer.param_groups]
    assert rates == sorted(rates) and rates[-1] == 2
    assert all(group['lr'] == 2 * group['lr_scale'] for group in optimizer.param_groups)


def test_one_rate_makes_two_groups():
    optimizer, settings = build(classifier(SWIN), layer_decay_rate=1, flat_decay_mult=0.)
    assert [(group['lr'], group['weight_decay']) for group in optimizer.param_groups] == [(2, 0), (2, 0.05)]
    assert settings['backbone.stages.0.blocks.0.norm1.weight'] == (2, 0)


def test_a_factor_of_the_rate_comes_on_top_of_the_layer():
    _, settings = build(classifier(SWIN), custom_keys=dict(fc=dict(lr_mult=10), patch_embed=dict(lr_mult=3)))
    assert settings['head.fc.weight'] == (20, 0.05)
    assert settings['backbone.patch_embed.projection.weight'] == (2 * RATE**6 * 3, 0.05)


def test_the_whole_encoder_at_a_fraction_of_the_rate():
    rules = dict(layer_decay_rate=1, flat_decay_mult=0.)
    _, plain = build(classifier(SWIN), **rules)
    _, settings = build(classifier(SWIN), backbone_lr_mult=0.1, **rules)
    assert {name: (lr / (0.1 if name.startswith('backbone.') else 1), decay)
            for name, (lr, decay) in settings.items()} == plain
    assert settings['backbone.stages.0.blocks.0.norm1.weight'] == (pytest.approx(0.2), 0)
    assert settings['head.fc.weight'] == (2, 0.05)
    _, both = build(classifier(SWIN), backbone_lr_mult=0.1, flat_decay_mult=0., custom_keys=dict(qkv=dict(lr_mult=3)))
    assert both['backbone.patch_embed.projection.weight'] == (pytest.approx(2 * RATE**6 * 0.1), 0.05)
    assert both['backbone.stages.3.blocks.0.attn.w_msa.qkv.weight'] == (pytest.approx(2 * RATE * 0.1 * 3), 0.05)


def base_config(package, name):
    return Config.fromfile(Path(import_module(package).__file__).parent / '.mim/configs/_base_/models' / name)


def mmdet_model(backbone, channels):
    config = base_config('mmdet', 'mask-rcnn_r50_fpn.py')
    config.model.backbone = backbone
    config.model.neck.update(in_channels=channels, out_channels=8)
    config.model.rpn_head.update(in_channels=8, feat_channels=8)
    config.model.roi_head.bbox_roi_extractor.out_channels = 8
    config.model.roi_head.mask_roi_extractor.out_channels = 8
    config.model.roi_head.bbox_head.update(in_channels=8, fc_out_channels=8)
    config.model.roi_head.mask_head.update(in_channels=8, conv_out_channels=8)
    return config.model


def mmseg_model(backbone, channels):
    config = base_config('mmseg', 'upernet_swin.py')
    config.model.backbone = backbone
    for head, given in (('decode_head', channels), ('auxiliary_head', channels[2])):
        config.model[head].update(in_channels=given, channels=8, norm_cfg=dict(type='BN'))
    return config.model


ALL_STAGES = dict(out_indices=(0, 1, 2, 3))
BLOCKS = dict(out_type='featmap', out_indices=(0, 1))
# In a classifier, and what is different downstream
ENCODERS = {
    'swin': (SWIN, ALL_STAGES),
    'swin_v2': (dict(SWIN, type='mmsimmim.SwinTransformerV2'), ALL_STAGES),
    'vit': (VIT, BLOCKS),
    'vit_in_windows': (dict(VIT, use_rel_pos_bias=True, use_shared_rel_pos_bias=False),
                       dict(BLOCKS, with_cls_token=False, window_size=2, global_attn_indexes=(1, ))),
}


@pytest.mark.parametrize('encoder', ENCODERS)
@pytest.mark.parametrize('scope, model_cfg, norm', [
    ('mmdet', mmdet_model, None), ('mmseg', mmseg_model, 'decode_head.fpn_bottleneck.bn.weight')])
def test_detectors_and_segmentors(scope, model_cfg, norm, encoder):
    """The encoder as in a classifier, all else at the full rate."""
    rules = dict(flat_decay_mult=0., custom_keys=dict(relative_position_bias_table=dict(decay_mult=0.)))
    backbone, changes = ENCODERS[encoder]
    vit = 'vit' in encoder
    _, expected = build(classifier(backbone, **(dict(in_channels=16) if vit else {})), **rules)
    init_default_scope(scope)
    model = MODELS.build(model_cfg({**backbone, **changes}, [16] * 4 if vit else [8, 16, 32, 64]))
    _, settings = build(model, **rules)
    assert len(settings) == len(list(model.parameters()))
    outside = {setting for name, setting in settings.items() if not name.startswith('backbone.')}
    assert outside == {(2, 0), (2, 0.05)}
    inside = {name: setting for name, setting in settings.items() if name.startswith('backbone.')}
    norms = {f'backbone.norm{i}.{kind}' for i in range(3) for kind in ('weight', 'bias')}
    assert inside.keys() - expected.keys() == (set() if vit else norms)
    assert all(setting == expected.get(name, (2, 0)) for name, setting in inside.items())
    depths = 4 if vit else 7
    assert inside['backbone.patch_embed.projection.weight'] == (2 * RATE**(depths - 1), 0.05)
    assert norm is None or settings[norm] == (2, 0)


def test_wrapped_for_several_processes():
    model = classifier(SWIN)
    wrapped = nn.Module()
    wrapped.module = model
    assert build(wrapped)[1] == build(model)[1]


@pytest.fixture
def process_group():
    dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.filterwarnings('ignore:FSDP')
def test_fsdp(process_group):
    model = classifier(SWIN)
    _, expected = build(model, norm_decay_mult=0.)
    sharded = FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device('cpu'),
                                       auto_wrap_policy=ModuleWrapPolicy({SwinTransformer, SwinBlock}))
    _, settings = build(sharded, norm_decay_mult=0.)
    assert any('_fsdp_wrapped_module' in name for name in settings)
    assert {name.replace('_fsdp_wrapped_module.', ''): value for name, value in settings.items()} == expected
    with pytest.raises(UserError, match='flat_decay_mult: .*FSDPStrategy'):
        build(sharded, flat_decay_mult=0.)


@pytest.mark.skipif(not hasattr(torch.distributed.fsdp, 'fully_shard'), reason='there is fully_shard from 2.6 on')
def test_fsdp_that_keeps_the_shapes(process_group):
    model = classifier(SWIN)
    _, expected = build(model, flat_decay_mult=0.)
    for module in (*model.backbone.stages, model):
        torch.distributed.fsdp.fully_shard(module, mesh=init_device_mesh('cpu', (1, )))
    assert build(model, flat_decay_mult=0.)[1] == expected


def test_frozen_parts_are_left_out():
    _, settings = build(classifier(dict(SWIN, frozen_stages=1)))
    assert not any(name.startswith(('backbone.patch_embed', 'backbone.stages.0', 'backbone.stages.1'))
                   for name in settings)
    assert settings['backbone.stages.2.blocks.0.attn.w_msa.qkv.weight'] == (2 * RATE**2, 0.05)


class Tied(nn.Module):
    """An encoder, and two heads with one weight."""

    def __init__(self, second):
        super().__init__()
        self.encoder = SwinTransformer(TINY)
        self.first = nn.Linear(4, 4)
        self.add_module(second, nn.Linear(4, 4))
        getattr(self, second).weight = self.first.weight


def test_shared_parameters():
    model = Tied('second')
    _, settings = build(model, flat_decay_mult=0.)
    assert len(settings) == len(list(model.parameters())) and settings['first.weight'] == (2, 0.05)
    with pytest.raises(UserError, match='first.weight and second.weight are one shared parameter'):
        build(model, custom_keys=dict(second=dict(decay_mult=0.)))


def test_the_encoder_may_have_any_place():
    _, settings = build(Tied('second'))
    assert settings['encoder.patch_embed.projection.weight'] == (2 * RATE**6, 0.05)
    assert settings['encoder.stages.3.blocks.0.ffn.layers.1.weight'] == (2 * RATE, 0.05)
    assert settings['second.bias'] == (2, 0.05)


@pytest.mark.parametrize('encoder', [SwinTransformer(TINY), SwinTransformerV2(TINY), VisionTransformer(TINY_VIT)])
def test_the_encoder_may_stand_alone(encoder):
    _, settings = build(encoder)
    assert settings['patch_embed.projection.weight'][0] == 2 * RATE**(encoder.get_layer_depth('', 'x')[1] - 1)


def test_the_log_names_each_group(tmp_path):
    MMLogger.get_instance('layer_decay', log_file=str(tmp_path / 'run.log'))
    optimizer, _ = build(classifier(SWIN), flat_decay_mult=0.)
    lines = (tmp_path / 'run.log').read_text().splitlines()
    assert len(lines) == 1 + len({group['lr_scale'] for group in optimizer.param_groups})
    assert lines[1] == ('  lr 0.03125 (0.01562 of the full rate): 1 with weight decay 0.05 '
                        '(backbone.patch_embed.projection.weight), 3 with weight decay 0 '
                        '(backbone.patch_embed.projection.bias, ...)')


@pytest.mark.parametrize('changes, message', [
    (dict(layer_decay_rate=None), 'layer_decay_rate must be a number above 0'),
    (dict(layer_decay_rate=0), 'layer_decay_rate must'), (dict(layer_decay_rate=1.1), 'layer_decay_rate must'),
    (dict(backbone_lr_mult=0), 'backbone_lr_mult must'), (dict(backbone_lr_mult='a tenth'), 'backbone_lr_mult must'),
    (dict(bias_lr_mult=2.), 'paramwise_cfg.bias_lr_mult: .* does not know it'),
    (dict(custom_keys=dict(head=dict(decay=0))), r"custom_keys\['head'\] must"),
    (dict(custom_keys=[]), 'custom_keys must be a dict'),
    (dict(lr=None), 'optimizer.lr'),
    (dict(weight_decay=None, norm_decay_mult=0.), 'optimizer.weight_decay'),
    (dict(weight_decay=None, custom_keys=dict(head=dict(decay_mult=0.))), 'optimizer.weight_decay')])
def test_mistakes_in_the_config(changes, message):
    with pytest.raises(UserError, match=message):
        build(SwinTransformer(TINY), **changes)


def test_settings_are_required():
    with pytest.raises(UserError, match='layer_decay_rate must'):
        LearningRateDecayOptimWrapperConstructor(dict(optimizer=dict(type='AdamW', lr=1.)))


def test_without_weight_decay_the_optimizers_own_holds():
    _, settings = build(SwinTransformer(TINY), weight_decay=None)
    assert {decay for _, decay in settings.values()} == {0.01}


def test_a_model_without_depths():
    model = classifier(dict(type='mmpretrain.MobileNetV2'))
    with pytest.raises(UserError, match='No part of the ImageClassifier has get_layer_depth.*backbone is MobileNetV2'):
        build(model)
