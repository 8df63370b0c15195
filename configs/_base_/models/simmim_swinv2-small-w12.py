"""SimMIM with Swin V2-Small at 192 px, window 12."""

_base_ = ['simmim_swinv2-base-w12.py']

model = dict(backbone=dict(arch='small'), neck=dict(in_channels=768))
