"""ADE20K in crops of 640 px, otherwise as in crops of 512 px."""

_base_ = 'mmseg::_base_/datasets/ade20k_640x640.py'

train_pipeline = [dict(type='mmsimmim.SeedSample'), *_base_.train_pipeline]
train_dataloader = dict(
    batch_size=2, sampler=dict(type='mmsimmim.SeededInfiniteSampler'), dataset=dict(pipeline=train_pipeline))

img_ratios = [0.75, 0.875, 1.0, 1.125, 1.25]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1]['transforms'][0] = [
    dict(type='Resize', scale=(int(2560 * ratio), int(640 * ratio)), keep_ratio=True) for ratio in img_ratios
]
