"""Swin-Large classifier at 224 px, window 14 (7 in the last stage, whose map is no larger)."""

_base_ = ['swin-base-w7_cls.py']

model = dict(backbone=dict(arch='large', window_size=14, drop_path_rate=0.2), head=dict(in_channels=1536))
