"""36 epochs of your own images at batch size 2: rate by the square root of the batch size, one epoch of warm-up."""

_base_ = 'det_3x.py'

optim_wrapper = dict(optimizer=dict(lr=1e-4 * (2 / 16)**0.5))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=True, begin=0, end=1, convert_to_iter_based=True),
    _base_.param_scheduler[1]
]
auto_scale_lr = dict(base_batch_size=2)
