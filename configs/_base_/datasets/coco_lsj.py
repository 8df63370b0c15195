"""COCO's boxes and masks under large-scale jitter: 0.1 to 2 times 1024 px, then a crop of 1024 px.

The transforms of mmdet's `common/lsj-100e_coco-instance.py`. `batch_augments` belongs in the data preprocessor of the
model, where it pads images smaller than the crop.
"""

_base_ = 'coco_instance.py'

image_size = (1024, 1024)
batch_augments = [dict(type='BatchFixedSizePad', size=image_size, pad_mask=True)]

train_pipeline = [
    *_base_.train_pipeline[:3],  # seed, image, annotations
    dict(type='RandomResize', scale=image_size, ratio_range=(0.1, 2.0), keep_ratio=True),
    dict(
        type='RandomCrop',
        crop_type='absolute_range',
        crop_size=image_size,
        recompute_bbox=True,
        allow_negative_crop=True),
    # a crop without objects is kept: another image in its place would have no seed of its own
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2), keep_empty=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs')
]
train_dataloader = dict(
    batch_size=4, num_workers=8, batch_sampler=None, dataset=dict(pipeline=train_pipeline))
