"""A UPerNet small enough to test in a second. The tests set ``data_root``."""

_base_ = ['mmseg::_base_/models/upernet_swin.py', 'mmseg::_base_/default_runtime.py']

custom_imports = dict(imports=['mmsimmim'], allow_failed_imports=False)
data_root = 'data'

model = dict(
    data_preprocessor=dict(size=(64, 64)),
    backbone=dict(
        _delete_=True,
        type='mmsimmim.SwinTransformer',
        arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]),
        window_size=4,
        out_indices=(0, 1, 2, 3)),
    decode_head=dict(in_channels=[8, 16, 32, 64], channels=8, num_classes=3, norm_cfg=dict(type='BN')),
    auxiliary_head=None)

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        metainfo=dict(classes=('ground', 'car', 'tree')),
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
test_cfg = dict(type='TestLoop')
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[[dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
                    [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])
]
default_hooks = dict(classes=dict(type='mmsimmim.CheckClassesHook'))
