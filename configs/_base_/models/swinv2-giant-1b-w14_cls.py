"""Classifier with the Swin V2-giant of 1.1 billion parameters at 224 px, window 14.

The backward pass recomputes blocks.
"""

_base_ = ['swinv2-base-w14_cls.py']

model = dict(backbone=dict(arch='giant-1b', drop_path_rate=0.4, with_cp=True), head=dict(in_channels=3584))
