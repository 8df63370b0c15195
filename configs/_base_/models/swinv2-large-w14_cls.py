"""Swin V2-Large classifier at 224 px, window 14; drop path as Swin-Large."""

_base_ = ['swinv2-base-w14_cls.py']

model = dict(backbone=dict(arch='large', drop_path_rate=0.2), head=dict(in_channels=1536))
