"""Your own images at 192 px; the rest as at 224 px."""

_base_ = ['folder_cls_224.py']

train_pipeline = _base_.train_pipeline
train_pipeline[2].update(scale=192)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=int(192 * 256 / 224))
test_pipeline[2].update(crop_size=192)

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
