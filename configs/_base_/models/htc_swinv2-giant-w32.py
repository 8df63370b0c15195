"""Hybrid Task Cascade with Swin V2-Giant, window 32 (16 in the last stage); drop path as published for ADE20K.

Windows of the first two stages attend in one group after another, as in the paper (section 3.5).
"""

_base_ = 'htc_swinv2-large-w32.py'

model = dict(
    backbone=dict(arch='giant', drop_path_rate=0.4, sequential_stages=(0, 1)),
    neck=dict(in_channels=[512, 1024, 2048, 4096]))
