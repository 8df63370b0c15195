"""Swin V2-Tiny classifier at 224 px, window 14."""

_base_ = ['swinv2-base-w14_cls.py']

model = dict(backbone=dict(arch='tiny'), head=dict(in_channels=768))
