"""ImageNet-1K with its labels at 512 px; the rest as at 224 px.

Tested images are scaled to a square and not cropped, as in the official configs of Swin V2 for 384 px (`CROP: False`).
"""

_base_ = ['imagenet_cls_224.py']

train_pipeline = _base_.train_pipeline
train_pipeline[2].update(scale=512)
test_pipeline = [
    _base_.test_pipeline[0],
    dict(type='Resize', scale=(512, 512), backend='pillow', interpolation='bicubic'),
    _base_.test_pipeline[-1]
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=32, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
