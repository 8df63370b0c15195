"""UPerNet on the nuclei of demo/data, from the backbone that SimMIM pre-trained on the same image's training part."""

_base_ = ['mmseg::_base_/models/upernet_swin.py', 'mmseg::_base_/default_runtime.py']

custom_imports = dict(imports=['mmsimmim'], allow_failed_imports=False)

pretrained = 'work_dirs/demo/pretrain_nuclei/iter_60.pth'

norm_cfg = dict(type='BN')
model = dict(
    data_preprocessor=dict(mean=[33.0] * 3, std=[25.0] * 3, size=(128, 128)),
    backbone=dict(
        _delete_=True,
        type='mmsimmim.SwinTransformer',
        arch=dict(embed_dims=48, depths=[2, 2, 6], num_heads=[3, 6, 12]),
        window_size=8,
        drop_path_rate=0.0,
        out_indices=(0, 1, 2),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone.')),
    decode_head=dict(
        in_channels=[48, 96, 192], in_index=[0, 1, 2], channels=64, num_classes=2, norm_cfg=norm_cfg),
    auxiliary_head=None)

metainfo = dict(classes=('background', 'nucleus'), palette=[[0, 0, 0], [255, 220, 0]])
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackSegInputs')
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]

train_dataloader = dict(
    batch_size=12,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='BaseSegDataset',
        data_root='demo/data/nuclei',
        metainfo=metainfo,
        img_suffix='.png',
        data_prefix=dict(img_path='train', seg_map_path='labels/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset',
        data_root='demo/data/nuclei',
        metainfo=metainfo,
        img_suffix='.png',
        data_prefix=dict(img_path='val', seg_map_path='labels/val'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=5.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=6),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=6, end=40, eta_min_ratio=0.01)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=40, val_interval=40)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    logger=dict(type='mmsimmim.LoggerHook', interval=10),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=40))
randomness = dict(seed=0)
