"""The tiny UPerNet, sharded: layer decay, averaged weights, batch norms with running statistics."""

_base_ = ['../commands/tiny_segmentor.py']

custom_imports = dict(imports=['mmsimmim', 'tests.engine.count_shards'])
model = dict(
    backbone=dict(drop_path_rate=0.0),
    # a pooled map of one number has no statistics in a batch of one
    decode_head=dict(pool_scales=(2, 3), dropout_ratio=0.0),
    auxiliary_head=dict(
        _delete_=True,
        type='FCNHead',
        in_channels=32,
        in_index=2,
        channels=8,
        num_convs=1,
        num_classes=3,
        dropout_ratio=0.0,
        norm_cfg=dict(type='BN'),
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4)),
    # another number of passes for each image
    test_cfg=dict(mode='slide', crop_size=(48, 48), stride=(32, 32)))

data_root = 'data'
data = dict(
    type='BaseSegDataset',
    data_root=data_root,
    img_suffix='.png',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    metainfo=dict(classes=('red', 'green', 'blue')),
    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')])
train_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True), dataset=data)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(indices=3, **data))
test_dataloader = dict(_delete_=True, **val_dataloader)
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
val_cfg = dict(type='ValLoop')
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-2, weight_decay=2.0, eps=1e-3),
    clip_grad=dict(max_norm=0.1),
    constructor='mmsimmim.LearningRateDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.5, flat_decay_mult=0.0))
param_scheduler = dict(type='PolyLR', power=0.9, by_epoch=True)
custom_hooks = [
    dict(type='mmsimmim.SeedStepHook'),
    dict(type='mmsimmim.CountShards'),
    dict(type='EMAHook', momentum=0.3, update_buffers=True)
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='mmsimmim.CheckpointHook', interval=1, save_best='mIoU'))
log_processor = dict(window_size=1)
randomness = dict(seed=0)

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
