"""SimMIM with the Swin V2-Giant of 3 billion parameters at 192 px, window 12; the backward pass recomputes blocks."""

_base_ = ['simmim_swinv2-base-w12.py']

model = dict(backbone=dict(arch='giant', with_cp=True), neck=dict(in_channels=4096))
