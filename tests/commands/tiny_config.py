"""A SimMIM small enough to train in a second, with everything that draws random numbers."""

default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmsimmim', 'tests.commands.killers'], allow_failed_imports=False)

model = dict(
    type='mmsimmim.SimMIM',
    data_preprocessor=dict(
        type='mmsimmim.SimMIMDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(
        type='mmsimmim.SwinTransformer',
        arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]),
        img_size=32,
        patch_size=2,
        window_size=4,
        drop_path_rate=0.3),
    neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=64, encoder_stride=16),
    head=dict(
        type='mmsimmim.SimMIMHead', patch_size=2, loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')))

mask = dict(type='mmsimmim.SimMIMMaskGenerator', input_size=32, mask_patch_size=8, model_patch_size=2)
train_pipeline = [
    dict(type='mmsimmim.LoadRandomResizedCrop', scale=32, crop_ratio_range=(0.67, 1.0), flip_prob=0.5),
    dict(type='mmsimmim.PackImage')
]
val_pipeline = [
    dict(type='mmsimmim.LoadImage'),
    dict(type='Resize', scale=(32, 32)),
    dict(seed=0, **mask),
    dict(type='PackInputs')
]
# set by the tests: train_dataloader.dataset.data_root, val_dataloader.dataset.data_root
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    drop_last=True,
    sampler=dict(type='mmsimmim.SeededSampler', shuffle=True),
    collate_fn=dict(type='mmsimmim.collate_masked', mask=mask),
    dataset=dict(type='mmsimmim.ImageFolder', split='train', val_ratio=0.1, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mmsimmim.ImageFolder', split='val', val_ratio=0.1, test_mode=True, pipeline=val_pipeline))
val_cfg = dict()
val_evaluator = dict(type='mmsimmim.ReconstructionLoss')
test_dataloader = val_dataloader
test_cfg = dict()
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05), clip_grad=dict(max_norm=5.0))
param_scheduler = dict(
    type='mmsimmim.WarmupCosineLR', warmup=1, warmup_ratio=0.01, min_ratio=0.01, end=4, convert_to_iter_based=True)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=2)
auto_scale_lr = dict(base_batch_size=8)

default_hooks = dict(
    runtime_info=dict(type='mmsimmim.RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=1),
    param_scheduler=dict(type='ParamSchedulerHook'),
    finite=dict(type='mmsimmim.FiniteHook'),
    preemption=dict(type='mmsimmim.PreemptionHook'),
    checkpoint=dict(type='mmsimmim.CheckpointHook', interval=1, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'))
custom_hooks = [dict(type='mmsimmim.SeedStepHook'), dict(type='mmsimmim.SkippedFilesHook')]
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0)
