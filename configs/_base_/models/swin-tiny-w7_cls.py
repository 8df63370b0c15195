"""Swin-Tiny classifier at 224 px, window 7."""

_base_ = ['swin-base-w7_cls.py']

model = dict(backbone=dict(arch='tiny'), head=dict(in_channels=768))
