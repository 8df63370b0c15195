"""Your own images with a ViT of any size: the config that `mmsimmim pretrain` fills in.

What depends on the images is a variable here or in `_base_`: `--cfg-options data_root=/data/aerial max_iters=5000`.
"""

_base_ = [
    '../../_base_/models/simmim_vit-base-p16.py', '../../_base_/datasets/folder_simmim_iters.py',
    '../../_base_/schedules/simmim_sized.py'
]

arch = 'deit-small'
in_channels = 384  # embed_dims of arch
model_patch_size = 16
drop_path_rate = 0.1

model = dict(
    backbone=dict(
        arch=arch, img_size=_base_.img_size, patch_size=model_patch_size, drop_path_rate=drop_path_rate),
    neck=dict(in_channels=in_channels, encoder_stride=model_patch_size),
    head=dict(patch_size=model_patch_size))

mask = dict(_base_.mask, model_patch_size=model_patch_size)
val_pipeline = _base_.val_pipeline
val_pipeline[3].update(model_patch_size=model_patch_size)
train_dataloader = dict(collate_fn=dict(mask=mask))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))

# Official: of what is not flat only the class token is exempt. Mask token and table of positions do decay.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(_delete_=True, cls_token=dict(decay_mult=0.0))))
