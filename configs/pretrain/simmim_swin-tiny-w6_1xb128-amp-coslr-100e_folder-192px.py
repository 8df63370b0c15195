"""Your own images: one folder, no labels. `data_root` is the only thing to set.

All images in it and in the folders below it are used; one in twenty is held out, chosen by its name.
"""

_base_ = ['simmim_swin-tiny-w6_8xb256-amp-coslr-100e_in1k-192px.py']

data_root = 'data/my_images'
fraction = 1.0  # of the images that are not held out

train_dataloader = dict(
    batch_size=128, drop_last=False, dataset=dict(data_root=data_root, split='train', fraction=fraction))
val_dataloader = dict(dataset=dict(data_root=data_root, split='val'))

# the official rate (effective batch size 2048), scaled to one GPU with 128
optim_wrapper = dict(optimizer=dict(lr=2e-4 * 128 / 512))
auto_scale_lr = dict(base_batch_size=128)
