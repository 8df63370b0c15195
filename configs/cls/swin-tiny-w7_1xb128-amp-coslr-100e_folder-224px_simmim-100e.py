"""Your own images and classes, from a Swin-Tiny pre-trained on your own images: lighter, for one GPU."""

_base_ = ['swin-base-w7_1xb64-amp-coslr-100e_folder-224px_simmim-800e.py']

train_dataloader = dict(batch_size=128)
val_dataloader = dict(batch_size=128)
test_dataloader = val_dataloader
model = dict(
    backbone=dict(
        arch='tiny',
        init_cfg=dict(checkpoint='work_dirs/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px/epoch_100.pth')),
    head=dict(in_channels=768))

optim_wrapper = dict(optimizer=dict(lr=1.25e-3 * 128 / 512), paramwise_cfg=dict(layer_decay_rate=0.9))
auto_scale_lr = dict(base_batch_size=128)
