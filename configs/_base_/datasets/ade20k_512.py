"""ADE20K as mmsegmentation has it, crops of 512 px; a resumed run has the crops and order of the uninterrupted one.

With `--tta` five scales and their flips are averaged. The scales are factors of the test scale, as in published
results, where mmsegmentation 1.x takes factors of each image's own size.
"""

_base_ = 'mmseg::_base_/datasets/ade20k.py'

train_pipeline = [dict(type='mmsimmim.SeedSample'), *_base_.train_pipeline]
train_dataloader = dict(
    batch_size=2, sampler=dict(type='mmsimmim.SeededInfiniteSampler'), dataset=dict(pipeline=train_pipeline))

img_ratios = [0.75, 0.875, 1.0, 1.125, 1.25]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1]['transforms'][0] = [
    dict(type='Resize', scale=(int(2048 * ratio), int(512 * ratio)), keep_ratio=True) for ratio in img_ratios
]
