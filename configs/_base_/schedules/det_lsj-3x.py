"""36 epochs with 32 images a step, at the same rate."""

_base_ = 'det_3x.py'

auto_scale_lr = dict(base_batch_size=32)
