"""SimMIM on the aerial tiles of demo/data: the paper's recipe in small, a few minutes on two CPU cores.

A Swin with three stages (3 million parameters), 96 px crops at the scale at which the detector will see them, and
masked patches of 8 px, which is the paper's share of an image (32 of 192 px, halved because trees are small). Held-out
tiles are measured whole, at 192 px.
"""

_base_ = [
    '../_base_/models/simmim_swin-tiny-w6.py', '../_base_/datasets/imagenet_simmim_192.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=48, depths=[2, 2, 6], num_heads=[3, 6, 12]),
        img_size=96,
        out_indices=(2, )),
    neck=dict(in_channels=192, encoder_stride=16))

mask = dict(
    type='mmsimmim.SimMIMMaskGenerator', input_size=96, mask_patch_size=8, model_patch_size=4, mask_ratio=0.6)

train_pipeline = [
    dict(type='mmsimmim.SeedSample'),  # for the flips
    dict(type='mmsimmim.LoadRandomResizedCrop', scale=96, crop_ratio_range=(0.15, 0.5)),
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
    dict(type='mmsimmim.PackImage')
]
val_pipeline = [
    dict(type='mmsimmim.LoadImage'),
    dict(type='Resize', scale=(192, 192), backend='pillow', interpolation='bilinear'),
    dict(mask, input_size=192, seed=0),
    dict(type='PackInputs')
]

train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='mmsimmim.SeededInfiniteSampler'),
    collate_fn=dict(mask=mask),
    dataset=dict(data_root='demo/data/aerial/train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='demo/data/aerial/val', pipeline=val_pipeline))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, betas=(0.9, 0.999), weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=5.0),
    paramwise_cfg=dict(flat_decay_mult=0.0, custom_keys=dict(mask_token=dict(decay_mult=0.0))))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120, val_interval=120)
param_scheduler = dict(
    type='mmsimmim.WarmupCosineLR', warmup=12, warmup_ratio=0.01, min_ratio=0.01, end=120, by_epoch=False)

default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(by_epoch=False, interval=120),
    reconstruction=dict(by_epoch=False, interval=120))
log_processor = dict(by_epoch=False)
