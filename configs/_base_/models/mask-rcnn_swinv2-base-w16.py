"""Mask R-CNN with Swin V2-Base, window 16 (8 in the last stage), from pre-training with windows 12, 12, 12, 6."""

_base_ = 'mask-rcnn_swin-base-w7.py'

model = dict(
    backbone=dict(
        type='mmsimmim.SwinTransformerV2',
        window_size=(16, 16, 16, 8),
        pretrained_window_sizes=(12, 12, 12, 6)))
