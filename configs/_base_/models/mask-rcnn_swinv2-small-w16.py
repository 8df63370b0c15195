"""Mask R-CNN with Swin V2-Small, window 16 (8 in the last stage), from pre-training with windows 12, 12, 12, 6."""

_base_ = 'mask-rcnn_swinv2-base-w16.py'

model = dict(backbone=dict(arch='small', drop_path_rate=0.2), neck=dict(in_channels=[96, 192, 384, 768]))
