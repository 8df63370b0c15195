"""ImageNet-1K without its labels for a ViT: 60 % of the 32 x 32 px patches of a 224 px crop, tokens of 16 px."""

_base_ = ['imagenet_simmim_192.py']

mask = dict(
    type='mmsimmim.SimMIMMaskGenerator', input_size=224, mask_patch_size=32, model_patch_size=16, mask_ratio=0.6)

train_pipeline = [
    # antialiased, as in the official pipeline
    dict(type='mmsimmim.LoadRandomResizedCrop', scale=224, crop_ratio_range=(0.67, 1.0), flip_prob=0.5),
    dict(type='mmsimmim.PackImage')
]

val_pipeline = [
    dict(type='mmsimmim.LoadImage'),
    dict(type='ResizeEdge', scale=224, edge='short', backend='pillow', interpolation='bilinear'),
    dict(type='CenterCrop', crop_size=224),
    dict(mask, seed=_base_.mask_seed),
    dict(type='PackInputs')
]

train_dataloader = dict(collate_fn=dict(mask=mask), dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
