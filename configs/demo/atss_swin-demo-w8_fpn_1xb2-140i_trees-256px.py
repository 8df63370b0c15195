"""ATSS on the tree boxes of demo/data, from the backbone that SimMIM pre-trained on the aerial tiles."""

_base_ = ['mmdet::atss/atss_r50_fpn_1x_coco.py']

custom_imports = dict(imports=['mmsimmim'], allow_failed_imports=False)

pretrained = 'work_dirs/demo/pretrain_aerial/iter_120.pth'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmsimmim.SwinTransformer',
        arch=dict(embed_dims=48, depths=[2, 2, 6], num_heads=[3, 6, 12]),
        window_size=8,
        drop_path_rate=0.0,
        out_indices=(1, 2),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone.')),
    neck=dict(in_channels=[96, 192], out_channels=96, start_level=0, num_outs=3),
    bbox_head=dict(
        num_classes=1,
        in_channels=96,
        feat_channels=96,
        stacked_convs=2,
        anchor_generator=dict(octave_base_scale=5, strides=[8, 16, 32])),
    test_cfg=dict(nms=dict(iou_threshold=0.4)))

data_root = 'demo/data/aerial/'
metainfo = dict(classes=('tree', ))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(256, 256), keep_ratio=True),
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='PackDetInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 256), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        data_root=data_root,
        metainfo=metainfo,
        ann_file='instances_train.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root=data_root,
        metainfo=metainfo,
        ann_file='instances_val.json',
        data_prefix=dict(img='val/'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'instances_val.json')
test_evaluator = val_evaluator

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=10.0),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=14),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=14, end=140, eta_min_ratio=0.01)
]
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=140, val_interval=140)

default_hooks = dict(
    logger=dict(type='mmsimmim.LoggerHook', interval=20), checkpoint=dict(by_epoch=False, interval=140))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
