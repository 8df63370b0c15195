"""Mask R-CNN with the Swin V2-giant of 1.1 billion parameters, window 16 (8 in the last stage).

The backward pass recomputes blocks.
"""

_base_ = 'mask-rcnn_swinv2-huge-w16.py'

model = dict(backbone=dict(arch='giant-1b'), neck=dict(in_channels=[448, 896, 1792, 3584]))
