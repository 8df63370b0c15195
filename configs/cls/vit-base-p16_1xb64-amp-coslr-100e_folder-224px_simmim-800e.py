"""Your own images and classes, as in the Swin-Base config for folders, with a ViT-Base."""

_base_ = [
    '../_base_/models/vit-base-p16_cls.py', '../_base_/datasets/folder_cls_224.py',
    '../_base_/schedules/finetune_vit_100e.py', '../_base_/cls_runtime.py'
]

data_root = 'data/my_images'
num_classes = 12

train_dataloader = dict(batch_size=64, dataset=dict(data_root=data_root))
val_dataloader = dict(batch_size=64, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
data_preprocessor = dict(num_classes=num_classes)
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='simmim_pretrain__vit_base__img224__800ep.pth')),
    head=dict(num_classes=num_classes))

# the official rate (effective batch size 2048), scaled to one GPU with 64
optim_wrapper = dict(optimizer=dict(lr=1.25e-3 * 64 / 512), paramwise_cfg=dict(layer_decay_rate=0.65))
auto_scale_lr = dict(base_batch_size=64)

default_hooks = dict(checkpoint=dict(save_best='accuracy/top1'))
