"""Fine-tuning of a Swin."""

_base_ = ['finetune_100e.py']

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(relative_position_bias_table=dict(decay_mult=0.0))))
