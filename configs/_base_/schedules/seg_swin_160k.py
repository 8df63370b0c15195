"""UPerNet with a Swin."""

_base_ = 'seg_160k.py'

optim_wrapper = dict(
    optimizer=dict(lr=1e-4),
    paramwise_cfg=dict(
        layer_decay_rate=0.9, custom_keys=dict(relative_position_bias_table=dict(decay_mult=0.0))))
