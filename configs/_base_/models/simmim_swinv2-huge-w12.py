"""SimMIM with Swin V2-Huge at 192 px, window 12; the backward pass recomputes blocks."""

_base_ = ['simmim_swinv2-base-w12.py']

model = dict(backbone=dict(arch='huge', with_cp=True), neck=dict(in_channels=2816))
