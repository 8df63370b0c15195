"""ImageNet-1K without its labels, masked as in the paper: 60 % of the 32 x 32 px patches of a 192 px crop."""

data_preprocessor = dict(
    type='mmsimmim.SimMIMDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True)

mask = dict(
    type='mmsimmim.SimMIMMaskGenerator', input_size=192, mask_patch_size=32, model_patch_size=4, mask_ratio=0.6)
mask_seed = 0  # of the masks of validation: each image always has the same one

train_pipeline = [
    # antialiased, as in the official pipeline
    dict(type='mmsimmim.LoadRandomResizedCrop', scale=192, crop_ratio_range=(0.67, 1.0), flip_prob=0.5),
    dict(type='mmsimmim.PackImage')
]

val_pipeline = [
    dict(type='mmsimmim.LoadImage'),
    dict(type='ResizeEdge', scale=192, edge='short', backend='pillow', interpolation='bilinear'),
    dict(type='CenterCrop', crop_size=192),
    dict(mask, seed=mask_seed),
    dict(type='PackInputs')
]

train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='mmsimmim.SeededSampler', shuffle=True),
    collate_fn=dict(type='mmsimmim.collate_masked', mask=mask),
    dataset=dict(type='mmsimmim.ImageFolder', data_root='data/imagenet/train', pipeline=train_pipeline))

val_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(type='mmsimmim.ImageFolder', data_root='data/imagenet/val', pipeline=val_pipeline))

val_cfg = dict()
val_evaluator = dict(type='mmsimmim.ReconstructionLoss')
