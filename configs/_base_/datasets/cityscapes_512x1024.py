"""Cityscapes as mmsegmentation has it; a resumed run has the crops and order of the uninterrupted one."""

_base_ = 'mmseg::_base_/datasets/cityscapes.py'

train_pipeline = [dict(type='mmsimmim.SeedSample'), *_base_.train_pipeline]
train_dataloader = dict(
    batch_size=2, sampler=dict(type='mmsimmim.SeededInfiniteSampler'), dataset=dict(pipeline=train_pipeline))
