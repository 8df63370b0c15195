"""UPerNet with Swin-Base, window 7."""

_base_ = 'upernet_swin-tiny-w7.py'

model = dict(
    backbone=dict(arch='base', drop_path_rate=0.3),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
    auxiliary_head=dict(in_channels=512))
