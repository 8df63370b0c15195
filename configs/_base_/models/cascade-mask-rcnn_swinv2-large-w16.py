"""Cascade Mask R-CNN with Swin V2-Large, window 16 (8 in the last stage), from windows 12, 12, 12, 6."""

_base_ = 'cascade-mask-rcnn_swin-base-w7.py'

model = dict(
    backbone=dict(
        type='mmsimmim.SwinTransformerV2',
        arch='large',
        window_size=(16, 16, 16, 8),
        pretrained_window_sizes=(12, 12, 12, 6),
        drop_path_rate=0.4,
        with_cp=True),
    neck=dict(in_channels=[192, 384, 768, 1536]))
