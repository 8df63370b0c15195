"""Your own images and label maps, from a Swin-Tiny pre-trained on your own images. Set in a copy of this file:

- `data_root`, with `images/train`, `images/val`, `labels/train`, `labels/val`, and the suffixes of the two kinds of files;
- `classes`, in the order of the numbers in the label maps, which begin at 0; pixels with 255 do not count;
- `reduce_zero_label = True` if 0 in the label maps means "not labelled" and the first class is 1 (all numbers become one
  less, and 0 becomes 255, while they are read).

The number of classes and their colours follow.
"""

_base_ = [
    '../_base_/models/upernet_swin-tiny-w7.py', '../_base_/datasets/folder_seg_512.py',
    '../_base_/schedules/seg_swin_160k.py', '../_base_/seg_runtime.py'
]

data_root = 'data/my_images'
img_suffix = '.jpg'
seg_map_suffix = '.png'
classes = ('background', 'object')
reduce_zero_label = False
num_classes = len(classes)

own_data = dict(
    data_root=data_root,
    img_suffix=img_suffix,
    seg_map_suffix=seg_map_suffix,
    metainfo=dict(classes=classes),
    reduce_zero_label=reduce_zero_label)
train_dataloader = dict(batch_size=4, dataset=own_data)
val_dataloader = dict(dataset=own_data)
test_dataloader = dict(dataset=own_data)

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px/epoch_100.pth')),
    decode_head=dict(num_classes=num_classes),
    auxiliary_head=dict(num_classes=num_classes))

optim_wrapper = dict(optimizer=dict(lr=5e-5))  # half of the rate for 16 images a step
auto_scale_lr = dict(base_batch_size=4)
train_cfg = dict(max_iters=40_000, val_interval=4_000)
default_hooks = dict(checkpoint=dict(interval=4_000))
