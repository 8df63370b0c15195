"""Mask R-CNN with Swin-Base, window 7."""

_base_ = 'mask-rcnn_swin-tiny-w7.py'

model = dict(backbone=dict(arch='base', drop_path_rate=0.3), neck=dict(in_channels=[128, 256, 512, 1024]))
