"""UPerNet with Swin V2-Huge, window 16 (8 in the last stage), whose blocks the backward pass recomputes."""

_base_ = 'upernet_swinv2-base-w16.py'

model = dict(
    backbone=dict(arch='huge', drop_path_rate=0.4, with_cp=True),
    decode_head=dict(in_channels=[352, 704, 1408, 2816]),
    auxiliary_head=dict(in_channels=1408))
