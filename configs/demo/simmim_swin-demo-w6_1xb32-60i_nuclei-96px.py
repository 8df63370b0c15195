"""The same on the fluorescence nuclei of demo/data."""

_base_ = ['simmim_swin-demo-w6_1xb32-120i_aerial-96px.py']

# mean and standard deviation of the training tiles: it is far darker than photographs
data_preprocessor = dict(mean=[33.0] * 3, std=[25.0] * 3)

train_pipeline = [
    dict(type='mmsimmim.SeedSample'),
    dict(type='mmsimmim.LoadRandomResizedCrop', scale=96, crop_ratio_range=(0.4, 1.0)),
    dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
    dict(type='mmsimmim.PackImage')
]
val_pipeline = [
    dict(type='mmsimmim.LoadImage'),
    dict(_base_.mask, input_size=128, seed=0),
    dict(type='PackInputs')
]

train_dataloader = dict(dataset=dict(data_root='demo/data/nuclei/train', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root='demo/data/nuclei/val', pipeline=val_pipeline))

train_cfg = dict(max_iters=60, val_interval=60)
param_scheduler = dict(warmup=6, end=60)
default_hooks = dict(checkpoint=dict(interval=60))
