"""COCO's boxes and masks as mmdet has them; a resumed run has the order and random draws of the uninterrupted one."""

_base_ = 'mmdet::_base_/datasets/coco_instance.py'

train_pipeline = [dict(type='mmsimmim.SeedSample'), *_base_.train_pipeline]
train_dataloader = dict(
    num_workers=4, sampler=dict(type='mmsimmim.SeededSampler'), dataset=dict(pipeline=train_pipeline))
