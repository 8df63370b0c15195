"""Classifier with the Swin V2-Giant of 3 billion parameters at 192 px, window 12 (6 in the last stage).

The backward pass recomputes blocks. Neither Mixup nor CutMix: the paper names both for its smaller models, and not for
this one.
"""

_base_ = ['swinv2-base-w14_cls.py']

model = dict(
    backbone=dict(arch='giant', img_size=192, window_size=12, drop_path_rate=0.3, with_cp=True),
    head=dict(in_channels=4096),
    train_cfg=dict(_delete_=True))
