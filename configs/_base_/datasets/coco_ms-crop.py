"""COCO's boxes and masks at short sides of 480 to 800 px, cropped before with probability 0.5: DETR's augmentation.

The transforms and sizes of mmdet's own Swin configs.
"""

_base_ = 'coco_instance.py'

resize = dict(
    type='RandomChoiceResize', scales=[(side, 1333) for side in range(480, 801, 32)], keep_ratio=True)
train_pipeline = [
    *_base_.train_pipeline[:3],  # seed, image, annotations
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomChoice',
        transforms=[
            [resize],
            [
                dict(type='RandomChoiceResize', scales=[(400, 1333), (500, 1333), (600, 1333)], keep_ratio=True),
                dict(type='RandomCrop', crop_type='absolute_range', crop_size=(384, 600), allow_negative_crop=True),
                resize,
            ],
        ]),
    dict(type='PackDetInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
