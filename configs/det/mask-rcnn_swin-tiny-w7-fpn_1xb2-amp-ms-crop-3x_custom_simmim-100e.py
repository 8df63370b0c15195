"""Your own images with boxes and masks in COCO's format, from a Swin-Tiny pre-trained on your own images, for one GPU.

Set in a copy of this file, or by `--cfg-options data_root=/data/cells classes=[cell,nucleus]`:

- `data_root`, and the paths below it: of the annotation files, and of the folders in which their `file_name` begins;
- `classes`: the names in `categories` of the annotation files, in their order. The number of classes follows.
"""

_base_ = [
    '../_base_/models/mask-rcnn_swin-tiny-w7.py', '../_base_/datasets/coco_ms-crop.py',
    '../_base_/schedules/det_custom-3x.py', '../_base_/det_runtime.py'
]

data_root = 'data/my_images'
train_ann_file = f'{data_root}/instances_train.json'
train_images = f'{data_root}/train'
val_ann_file = f'{data_root}/instances_val.json'
val_images = f'{data_root}/val'
classes = ('object', )
num_classes = len(classes)

own_data = dict(data_root='', metainfo=dict(classes=classes, palette=None))
train_dataloader = dict(dataset=dict(ann_file=train_ann_file, data_prefix=dict(img=train_images), **own_data))
val_dataloader = dict(dataset=dict(ann_file=val_ann_file, data_prefix=dict(img=val_images), **own_data))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=val_ann_file)
test_evaluator = val_evaluator

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px/epoch_100.pth')),
    roi_head=dict(bbox_head=dict(num_classes=num_classes), mask_head=dict(num_classes=num_classes)))
