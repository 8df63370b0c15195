"""Objects365 v2, boxes of 365 classes, at short sides of 800 to 1024 px; one image per GPU.

Published is "[800, 1024]" alone. The long side keeps mmdet's proportion to the largest short side.
"""

_base_ = 'mmdet::_base_/datasets/objects365v2_detection.py'

train_pipeline = [
    dict(type='mmsimmim.SeedSample'),
    *_base_.train_pipeline[:2],  # image, annotations
    dict(type='RandomChoiceResize', scales=[(1706, side) for side in range(800, 1025, 32)], keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs')
]
train_dataloader = dict(
    batch_size=1,
    num_workers=8,
    sampler=dict(type='mmsimmim.SeededInfiniteSampler'),
    batch_sampler=None,
    dataset=dict(pipeline=train_pipeline))
