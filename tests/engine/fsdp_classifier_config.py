"""A tiny classifier, sharded: images mixed on the device, layer decay, bfloat16 and accumulated gradients."""

_base_ = ['mmpretrain::_base_/default_runtime.py']

custom_imports = dict(imports=['mmsimmim', 'tests.engine.count_shards'], allow_failed_imports=False)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmsimmim.SwinTransformerV2',
        arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]),
        img_size=64,
        window_size=4,
        drop_path_rate=0.1,
        with_cp=True),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=2,
        in_channels=64,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]))
data_preprocessor = dict(num_classes=2, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])

data_root = 'data'
data = dict(
    type='CustomDataset',
    data_root=data_root,
    ann_file='classes.txt',
    metainfo=dict(classes=('dark', 'bright')),
    pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')])
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=data)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(indices=3, test_mode=True, **data))
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=2)

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=1.0,
    accumulative_counts=2,
    optimizer=dict(type='AdamW', lr=1e-2, weight_decay=2.0, eps=1e-3),
    clip_grad=dict(max_norm=0.1),
    constructor='mmsimmim.LearningRateDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.5, flat_decay_mult=0.0))
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True)
custom_hooks = [dict(type='mmsimmim.SeedStepHook'), dict(type='mmsimmim.CountShards')]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='mmsimmim.CheckpointHook', interval=2))
randomness = dict(seed=0)

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
