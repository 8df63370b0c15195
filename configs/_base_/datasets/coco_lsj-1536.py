"""COCO under large-scale jitter: 0.1 to 2 times 1536 px, then a crop of 1536 px; one image per GPU.

Tested at a short side of 1100 px, as Swin V2 is; the long side, not published, keeps mmdet's proportion.
"""

_base_ = 'coco_lsj.py'

image_size = (1536, 1536)
test_size = (1833, 1100)
batch_augments = [dict(type='BatchFixedSizePad', size=image_size, pad_mask=True)]

train_pipeline = [
    dict(step, **{key: image_size for key in ('scale', 'crop_size') if key in step}) for step in _base_.train_pipeline
]
test_pipeline = [dict(step, scale=test_size) if step['type'] == 'Resize' else step for step in _base_.test_pipeline]
train_dataloader = dict(batch_size=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
