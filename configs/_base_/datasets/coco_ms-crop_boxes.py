"""COCO's boxes alone at short sides of 480 to 800 px, cropped before with probability 0.5."""

_base_ = 'coco_ms-crop.py'

boxes = dict(type='LoadAnnotations', with_bbox=True)
train_pipeline = [boxes if step['type'] == boxes['type'] else step for step in _base_.train_pipeline]
test_pipeline = [boxes if step['type'] == boxes['type'] else step for step in _base_.test_pipeline]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
