"""Your own images, as in the Swin-Tiny config for folders, with a ViT-S/16 (22 million parameters).

Its name is mmpretrain's, 'deit-small'. ViT-Ti/16 (5 million): `--cfg-options model.backbone.arch=deit-tiny`.
"""

_base_ = [
    '../_base_/models/simmim_vit-base-p16.py', '../_base_/datasets/imagenet_simmim_224.py',
    '../_base_/schedules/simmim_100e.py', '../_base_/default_runtime.py'
]

data_root = 'data/my_images'
fraction = 1.0  # of the images that are not held out

train_dataloader = dict(
    batch_size=128, drop_last=False, dataset=dict(data_root=data_root, split='train', fraction=fraction))
val_dataloader = dict(dataset=dict(data_root=data_root, split='val'))
model = dict(backbone=dict(arch='deit-small'), neck=dict(in_channels=384))

# the official rate (effective batch size 2048), scaled to one GPU with 128; weight decay as of the official ViT
optim_wrapper = dict(
    optimizer=dict(lr=2e-4 * 128 / 512),
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, cls_token=dict(decay_mult=0.0))))
auto_scale_lr = dict(base_batch_size=128)
