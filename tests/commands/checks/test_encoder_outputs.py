"""Encoders before the necks and heads of mmdet and mmsegmentation: what fits, and what gets no gradient.

The settings are those of the tables in docs/detection.md and docs/segmentation.md, for the smallest of encoders.
"""

from importlib import import_module
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope, init_default_scope

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.analysis.memory.synthetic_batch import synthetic_batch
from mmsimmim.commands.checks.encoder_outputs import check_encoder_outputs
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS

SWIN = dict(type='mmsimmim.SwinTransformer', arch=dict(embed_dims=8, depths=[2, 1, 1, 1], num_heads=[1, 1, 2, 2]),
            window_size=4, drop_path_rate=0.)
ALL = [8, 16, 32, 64]
UPPER = [16, 32, 64]
FROM_STAGE_1 = ('atss/atss_r50_fpn_1x_coco', 'vfnet/vfnet_r50_fpn_1x_coco', 'gfl/gfl_r50_fpn_1x_coco',
                'reppoints/reppoints-moment_r50_fpn-gn_head-gn_1x_coco',
                'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance',
                'centernet/centernet-update_r50_fpn_8xb8-amp-lsj-200e_coco', 'retinanet/retinanet_r50_fpn_1x_coco',
                'fcos/fcos_r50_fpn_gn-head-center-normbbox-centeronreg-giou_8xb8-amp-lsj-200e_coco',
                'tood/tood_r50_fpn_1x_coco', 'paa/paa_r50_fpn_1x_coco')
LAST = ('fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512', 'pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512',
        'deeplabv3/deeplabv3_r50-d8_4xb4-80k_ade20k-512x512')
DEEPLAB_PLUS = 'deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512'
DETECTORS = {  # stages, and what else to set
    **dict.fromkeys(FROM_STAGE_1, ((1, 2, 3), dict(neck=dict(in_channels=UPPER, start_level=0)))),
    'dyhead/atss_r50_fpn_dyhead_1x_coco': ((1, 2, 3), {'neck.0.in_channels': UPPER, 'neck.0.start_level': 0}),
    'detr/detr_r50_8xb2-150e_coco': ((3, ), dict(neck=dict(in_channels=[64]))),
    'yolof/yolof_r50-c5_8xb8-1x_coco': ((3, ), dict(neck=dict(in_channels=64))),
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco': ((1, 2, 3), dict(neck=dict(in_channels=UPPER))),
    'dino/dino-4scale_r50_8xb2-12e_coco': ((1, 2, 3), dict(neck=dict(in_channels=UPPER))),
    'rtmdet/rtmdet_s_8xb32-300e_coco': ((1, 2, 3), dict(neck=dict(in_channels=UPPER))),
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco': ((0, 1, 2, 3), dict(panoptic_head=dict(in_channels=ALL))),
    **dict.fromkeys(('mask_rcnn/mask-rcnn_r50_fpn_1x_coco', 'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco',
                     'solov2/solov2_r50_fpn_1x_coco'), ((0, 1, 2, 3), dict(neck=dict(in_channels=ALL)))),
}
SEGMENTORS = {
    **dict.fromkeys(LAST, ((2, 3), dict(decode_head=dict(in_channels=64, in_index=1),
                                        auxiliary_head=dict(in_channels=32, in_index=0)))),
    DEEPLAB_PLUS: ((0, 2, 3), dict(decode_head=dict(in_channels=64, in_index=2, c1_in_channels=8),
                                   auxiliary_head=dict(in_channels=32, in_index=1))),
    'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512': ((0, 1, 2, 3), dict(decode_head=dict(in_channels=ALL))),
    'sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512': ((0, 1, 2, 3), dict(neck=dict(in_channels=ALL))),
    'mask2former/mask2former_r50_8xb2-160k_ade20k-512x512': ((0, 1, 2, 3), dict(decode_head=dict(in_channels=ALL))),
    'upernet/upernet_r50_4xb4-80k_ade20k-512x512': (
        (0, 1, 2, 3), dict(decode_head=dict(in_channels=ALL), auxiliary_head=dict(in_channels=32))),
}
CASES = [*(('mmdet', name) for name in DETECTORS), *(('mmseg', name) for name in SEGMENTORS)]
# One of each way to take maps; the others differ in heads alone, and are gone through without values only.
STEPS = [('mmdet', name) for name in (
    FROM_STAGE_1[0], 'detr/detr_r50_8xb2-150e_coco', 'yolof/yolof_r50-c5_8xb8-1x_coco',
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco', 'rtmdet/rtmdet_s_8xb32-300e_coco',
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco')] + [('mmseg', name) for name in (
        LAST[0], DEEPLAB_PLUS, 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512')]


@pytest.fixture(autouse=True)
def no_scope_stays():
    yield
    DefaultScope._instance_dict.clear()


def config_of(scope, name, out_indices, changes):
    """The framework's config with the four or five lines of the docs."""
    path = Path(import_module(scope).__file__).parent / '.mim' / 'configs' / f'{name}.py'
    cfg = Config.fromfile(path)
    backbone = dict(SWIN, out_indices=out_indices, _delete_=True)
    cfg.merge_from_dict(dict(model=dict(backbone=backbone, **({} if scope == 'mmdet' else dict(pretrained=None)))))
    cfg.merge_from_dict({f'model.{key}': value for key, value in changes.items()})
    for head in filter(None, (cfg.model.get('decode_head'), cfg.model.get('auxiliary_head'))):
        head.update(channels=16)
    cfg.launcher = 'pytorch'
    return cfg


def without_gradient(cfg):
    """Names of the encoder's parameters that a real training step gives no gradient."""
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).train()
    model.init_weights()
    batch = synthetic_batch(model, cfg.default_scope, (64, 64), 2)
    if cfg.model.type == 'RTMDet':  # boxes alone: masks as it knows them are no longer what mmdet's datasets give
        for sample in batch['data_samples']:
            del sample.gt_instances.masks
    model.data_preprocessor.batch_augments = None
    data = model.data_preprocessor(batch, True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    return [name for name, parameter in model.backbone.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize('scope, name', CASES, ids=lambda value: value.split('/')[0])
def test_the_settings_of_the_docs_fit(scope, name):
    out_indices, changes = (DETECTORS if scope == 'mmdet' else SEGMENTORS)[name]
    check_encoder_outputs(config_of(scope, name, out_indices, changes))


@pytest.mark.slow
@pytest.mark.parametrize('scope, name', STEPS, ids=lambda value: value.split('/')[0])
def test_with_the_settings_of_the_docs_each_parameter_learns(scope, name):
    out_indices, changes = (DETECTORS if scope == 'mmdet' else SEGMENTORS)[name]
    assert without_gradient(config_of(scope, name, out_indices, changes)) == []


UNUSED = [
    *(('mmdet', name, dict(neck=dict(in_channels=ALL)), ['0'],
       r'out_indices=\[1,2,3\] model.neck.in_channels=\[16,32,64\] model.neck.start_level=0;')
      for name in FROM_STAGE_1[:6]),
    ('mmdet', 'dyhead/atss_r50_fpn_dyhead_1x_coco', {'neck.0.in_channels': ALL}, ['0'],
     r'out_indices=\[1,2,3\] model.neck.0.in_channels=\[16,32,64\] model.neck.0.start_level=0;'),
    ('mmdet', 'yolof/yolof_r50-c5_8xb8-1x_coco', dict(neck=dict(in_channels=64)), ['0', '1', '2'],
     r'out_indices=\[3\];'),
    *(('mmseg', name, dict(decode_head=dict(in_channels=64), auxiliary_head=dict(in_channels=32)), ['0', '1'],
       r'out_indices=\[2,3\] model.decode_head.in_index=1 model.auxiliary_head.in_index=0;') for name in LAST),
    ('mmseg', DEEPLAB_PLUS, dict(decode_head=dict(in_channels=64, c1_in_channels=8),
                                 auxiliary_head=dict(in_channels=32)), ['1'],
     r'out_indices=\[0,2,3\] model.decode_head.in_index=2 model.auxiliary_head.in_index=1;'),
]


@pytest.mark.parametrize('scope, name, changes, unused, cure', UNUSED, ids=lambda value: str(value).split('/')[0])
def test_outputs_that_nothing_uses_are_told_before_training(scope, name, changes, unused, cure):
    cfg = config_of(scope, name, (0, 1, 2, 3), changes)
    with pytest.raises(UserError, match=f'uses output {" and ".join(unused)} of out_indices.*{cure} or find_unused'):
        check_encoder_outputs(cfg)
    for allowed in (dict(launcher='none'), dict(find_unused_parameters=True),
                    dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', static_graph=True)),
                    dict(model_wrapper_cfg=dict(type='MMFullyShardedDataParallel'))):
        check_encoder_outputs(Config({**cfg, **allowed}))


@pytest.mark.slow
@pytest.mark.parametrize('number', [0, -1])
def test_what_is_told_is_what_a_step_leaves_without_gradient(number):
    scope, name, changes, unused, _ = UNUSED[number]
    cfg = config_of(scope, name, (0, 1, 2, 3), changes)
    names = [f'norm{i}.{kind}' for i in unused for kind in ('weight', 'bias')]
    assert without_gradient(cfg) == names
    with pytest.raises(UserError, match=f'^{", ".join(names)} .* get no gradient'):
        check_encoder_outputs(cfg)


@pytest.mark.usefixtures('left_connections')
@pytest.mark.parametrize('out_indices, start_level, stops', [((0, 1, 2, 3), 1, True), ((1, 2, 3), 0, False)])
def test_a_run_of_several_processes_does_stop_there(out_indices, start_level, stops):
    from mmdet.models.necks import FPN
    torch.distributed.init_process_group('gloo')
    torch.manual_seed(0)
    neck = FPN(ALL[-len(out_indices):], 8, 5, start_level=start_level, add_extra_convs='on_output')
    model = torch.nn.parallel.DistributedDataParallel(
        torch.nn.Sequential(MODELS.build(dict(SWIN, out_indices=out_indices)), neck))
    images = torch.randn(1, 3, 64, 64)
    sum(maps.sum() for maps in model(images)).backward()
    if not stops:
        model(images)
        return
    with pytest.raises(RuntimeError, match='parameters that were not used'):
        model(images)


@pytest.mark.parametrize('out_indices, in_channels, told', [
    ((3, ), ALL, r'gives 1 map with 64 channels .*is \(3,\)\)\. Set model.backbone.out_indices=\[0,1,2,3\] '
     r'model.neck.in_channels=\[8,16,32,64\]'),
    ((0, 1, 2, 3), [256, 512, 1024, 2048], r'is \[256, 512, 1024, 2048\], but the SwinTransformer gives 4 maps with '
     r'\[8, 16, 32, 64\] channels .*Set model.neck.in_channels=\[8,16,32,64\]\.'),
    ((0, 1, 2, 3), [96, 192], r'Set model.backbone.out_indices=\[2,3\] model.neck.in_channels=\[32,64\]'),
])
@pytest.mark.parametrize('launcher', ['none', 'pytorch'])
def test_other_channels_are_told_in_place_of_a_bare_assertion(out_indices, in_channels, told, launcher):
    changes = dict(neck=dict(in_channels=in_channels))
    cfg = config_of('mmdet', 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco', out_indices, changes)
    cfg.launcher = launcher
    with pytest.raises(UserError, match=told):
        check_encoder_outputs(cfg)


def test_channels_of_heads_are_told():
    cfg = config_of('mmseg', LAST[0], (0, 1, 2, 3), {})
    with pytest.raises(UserError, match=r'decode_head.in_channels is 2048 for in_index 3, .*head.in_channels=64\.'):
        check_encoder_outputs(cfg)
    cfg.model.backbone.out_indices = (3, )
    with pytest.raises(UserError, match='Set out_indices of the backbone, and in_channels and in_index of model'):
        check_encoder_outputs(cfg)


VIT = dict(type='mmsimmim.VisionTransformer', img_size=32,
           arch=dict(embed_dims=8, num_layers=3, num_heads=2, feedforward_channels=16))


@pytest.mark.parametrize('backbone, told', [
    (VIT, None), (dict(VIT, out_type='avg_featmap'), None), (dict(VIT, out_type='raw', frozen_stages=3), None),
    (dict(VIT, out_indices=(0, 1)), r'layers.2.*used, 1 of out_indices \(0, 1\), comes before.* Set find_unused'),
    (dict(VIT, out_indices=(0, 1), frozen_stages=3), None), (dict(SWIN, window_size=2), None),
    (dict(SWIN, out_indices=(2, 3)), r'norm2.*uses output 2 .*Set model.backbone.out_indices=\[3\];'),
    (dict(SWIN, out_indices=(2, )), r'stages.2.downsample.*used, 2 of .* before them.* Set find_unused'),
    (dict(SWIN, type='mmsimmim.SwinTransformerV2', out_indices=(2, )), 'stages.3.blocks.*used, 2 of .* before them'),
])
def test_classifiers(backbone, told):
    channels = 8 if backbone['type'] == VIT['type'] else 64 if 3 in backbone.get('out_indices', (3, )) else 32
    flat = backbone.get('out_type') in ('avg_featmap', 'raw')
    model = dict(type='ImageClassifier', backbone=backbone, neck=None if flat else dict(type='GlobalAveragePooling'),
                 head=dict(type='LinearClsHead', num_classes=2, in_channels=channels))
    cfg = Config(dict(default_scope='mmpretrain', launcher='pytorch', model=model))
    if told is None:
        check_encoder_outputs(cfg)
        return
    with pytest.raises(UserError, match=told):
        check_encoder_outputs(cfg)


@pytest.mark.parametrize('model', [None, dict(type='ImageClassifier'), dict(backbone=dict(type='mmpretrain.ResNet')),
                                   dict(backbone=dict(SWIN, arch='huge')), dict(backbone=dict(SWIN, pretrained='x'))])
def test_what_is_not_ours_or_cannot_be_built_is_left_to_others(model):
    check_encoder_outputs(Config(dict(default_scope='mmpretrain', launcher='pytorch', model=model)))
