"""UPerNet with Swin V2-Large, window 16 (8 in the last stage), from pre-training with windows 12, 12, 12, 6."""

_base_ = 'upernet_swinv2-base-w16.py'

model = dict(
    backbone=dict(arch='large'),
    decode_head=dict(in_channels=[192, 384, 768, 1536]),
    auxiliary_head=dict(in_channels=768))
