"""SimMIM with Swin V2-Large at 192 px, window 12."""

_base_ = ['simmim_swinv2-base-w12.py']

model = dict(backbone=dict(arch='large'), neck=dict(in_channels=1536))
