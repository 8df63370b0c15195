"""The tiny Mask R-CNN, sharded: frozen stages, strong weight decay and clipping, one image without objects."""

_base_ = ['../commands/tiny_detector.py']

custom_imports = dict(imports=['mmsimmim', 'tests.engine.count_shards'])
# No sampler draws at random: there are fewer candidates than it may take.
sampler = dict(num=10_000)
model = dict(
    backbone=dict(drop_path_rate=0.0, frozen_stages=0, with_cp=True),
    roi_head=dict(bbox_head=dict(num_classes=3), mask_head=dict(num_classes=3)),
    train_cfg=dict(rpn=dict(sampler=sampler), rcnn=dict(sampler=sampler)))

data_root = 'data'
data = dict(
    type='CocoDataset',
    data_root=data_root,
    ann_file='instances.json',
    data_prefix=dict(img='images'),
    metainfo=dict(classes=('red', 'green', 'blue')),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
    ])
train_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), dataset=data)
# Of three images one process gets two and the other one.
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(indices=3, test_mode=True, **data))
test_dataloader = dict(_delete_=True, **val_dataloader)
val_evaluator = dict(type='CocoMetric', ann_file=f'{data_root}/instances.json', metric=['bbox', 'segm'])
test_evaluator = dict(_delete_=True, **val_evaluator)
val_cfg = dict(type='ValLoop')
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)

optim_wrapper = dict(
    type='OptimWrapper',
    # the large eps keeps rounding errors of tiny gradients from deciding over the sign of a step
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=2.0, eps=1e-3),
    clip_grad=dict(max_norm=0.1),
    paramwise_cfg=dict(flat_decay_mult=0.0, custom_keys=dict(neck=dict(lr_mult=2.0))))
param_scheduler = dict(type='PolyLR', power=0.9, by_epoch=True)
custom_hooks = [dict(type='mmsimmim.SeedStepHook'), dict(type='mmsimmim.CountShards')]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='mmsimmim.CheckpointHook', interval=1, save_best='coco/bbox_mAP'))
log_processor = dict(window_size=1)
randomness = dict(seed=0)

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
