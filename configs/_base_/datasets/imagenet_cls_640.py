"""ImageNet-1K with its labels at 640 px; the rest as at 512 px."""

_base_ = ['imagenet_cls_512.py']

train_pipeline = _base_.train_pipeline
train_pipeline[2].update(scale=640)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=(640, 640))

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
