"""Your own images and classes. Set `data_root` (in it train/ and val/, in each of those a folder per class),
`num_classes`, and the pre-trained file, an official one or one of ours, in `model.backbone.init_cfg.checkpoint`.
"""

_base_ = [
    '../_base_/models/swin-base-w7_cls.py', '../_base_/datasets/folder_cls_224.py',
    '../_base_/schedules/finetune_swin_100e.py', '../_base_/cls_runtime.py'
]

data_root = 'data/my_images'
num_classes = 12

train_dataloader = dict(batch_size=64, dataset=dict(data_root=data_root))
val_dataloader = dict(batch_size=64, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
data_preprocessor = dict(num_classes=num_classes)
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='simmim_pretrain__swin_base__img192_window6__800ep.pth')),
    head=dict(num_classes=num_classes))

# the official rate (effective batch size 2048), scaled to one GPU with 64
optim_wrapper = dict(optimizer=dict(lr=1.25e-3 * 64 / 512), paramwise_cfg=dict(layer_decay_rate=0.8))
auto_scale_lr = dict(base_batch_size=64)

default_hooks = dict(checkpoint=dict(save_best='accuracy/top1'))
