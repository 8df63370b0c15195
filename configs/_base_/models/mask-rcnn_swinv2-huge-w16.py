"""Mask R-CNN with Swin V2-Huge, window 16 (8 in the last stage); the backward pass recomputes blocks."""

_base_ = 'mask-rcnn_swinv2-base-w16.py'

model = dict(
    backbone=dict(arch='huge', drop_path_rate=0.5, with_cp=True), neck=dict(in_channels=[352, 704, 1408, 2816]))
