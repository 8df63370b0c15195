"""COCO under large-scale jitter for ViTDet: eight images per GPU, and a long side of 1024 px at test time."""

_base_ = 'coco_lsj.py'

train_dataloader = dict(batch_size=8)
test_pipeline = [
    dict(step, scale=_base_.image_size) if step['type'] == 'Resize' else step for step in _base_.test_pipeline
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
