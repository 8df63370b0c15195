"""Swin V2-Base classifier at 224 px, window 14 (7 in the last stage), from pre-training with windows 12, 12, 12, 6."""

_base_ = ['swin-base-w7_cls.py']

model = dict(
    backbone=dict(type='mmsimmim.SwinTransformerV2', window_size=14, pretrained_window_sizes=[12, 12, 12, 6]))
