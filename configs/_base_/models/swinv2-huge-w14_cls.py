"""Swin V2-Huge classifier at 224 px, window 14; the backward pass recomputes blocks."""

_base_ = ['swinv2-base-w14_cls.py']

model = dict(backbone=dict(arch='huge', drop_path_rate=0.3, with_cp=True), head=dict(in_channels=2816))
