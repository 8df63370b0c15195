"""Mask R-CNN with Swin-Large, windows 14, 14, 14, 7: those of its fine-tuning, whose bias tables fit as they are."""

_base_ = 'mask-rcnn_swin-tiny-w7.py'

model = dict(
    backbone=dict(arch='large', window_size=(14, 14, 14, 7), drop_path_rate=0.4, with_cp=True),
    neck=dict(in_channels=[192, 384, 768, 1536]))
