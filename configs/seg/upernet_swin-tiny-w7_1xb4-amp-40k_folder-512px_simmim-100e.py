"""Your own images and label maps, from a Swin-Tiny pre-trained on your own images, for one GPU.

Set in a copy of this file, or by `--cfg-options data_root=/data/fields classes=[field,forest]`:

- `data_root`, and below it the folders of images and of label maps; an image and its label map have the same name but
  for their suffixes;
- `classes`, in the order of their numbers in the label maps, which begin at 0; pixels with 255 do not count;
- `reduce_zero_label=True` if 0 in the label maps means "not labelled" and the first class is 1: while they are read,
  0 becomes 255 and every other number one less.

The number of classes and their colours follow.
"""

_base_ = [
    '../_base_/models/upernet_swin-tiny-w7.py', '../_base_/datasets/folder_seg_512.py',
    '../_base_/schedules/seg_swin_160k.py', '../_base_/seg_runtime.py'
]

data_root = 'data/my_images'
train_images = 'images/train'
train_labels = 'labels/train'
val_images = 'images/val'
val_labels = 'labels/val'
img_suffix = '.jpg'
seg_map_suffix = '.png'
classes = ('background', 'building', 'water')
reduce_zero_label = False
num_classes = len(classes)

own_data = dict(
    data_root=data_root,
    img_suffix=img_suffix,
    seg_map_suffix=seg_map_suffix,
    metainfo=dict(classes=classes),
    reduce_zero_label=reduce_zero_label)
train_dataloader = dict(
    batch_size=4, dataset=dict(data_prefix=dict(img_path=train_images, seg_map_path=train_labels), **own_data))
val_dataloader = dict(dataset=dict(data_prefix=dict(img_path=val_images, seg_map_path=val_labels), **own_data))
test_dataloader = val_dataloader

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px/epoch_100.pth')),
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=dict(num_classes=num_classes))

optim_wrapper = dict(optimizer=dict(lr=5e-5))  # half of the rate for an effective batch size of 16
auto_scale_lr = dict(base_batch_size=4)
train_cfg = dict(max_iters=40_000, val_interval=4_000)
default_hooks = dict(checkpoint=dict(interval=4_000))
