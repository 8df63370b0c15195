"""UPerNet with Swin V2-Small, window 16 (8 in the last stage), from pre-training with windows 12, 12, 12, 6."""

_base_ = 'upernet_swinv2-base-w16.py'

model = dict(
    backbone=dict(arch='small'),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
    auxiliary_head=dict(in_channels=384))
