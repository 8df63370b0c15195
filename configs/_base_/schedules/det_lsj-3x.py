"""36 epochs at effective batch size 32, at the same rate."""

_base_ = 'det_3x.py'

auto_scale_lr = dict(base_batch_size=32)
