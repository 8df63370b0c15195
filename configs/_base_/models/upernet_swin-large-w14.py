"""UPerNet with Swin-Large, window 14, in the last stage 7, as in its fine-tuning, whose bias tables thus fit."""

_base_ = 'upernet_swin-tiny-w7.py'

model = dict(
    backbone=dict(arch='large', window_size=(14, 14, 14, 7), drop_path_rate=0.3),
    decode_head=dict(in_channels=[192, 384, 768, 1536]),
    auxiliary_head=dict(in_channels=768))
