"""Fine-tuning of a Swin V2, whose official runs are those of microsoft/Swin-Transformer."""

_base_ = ['finetune_100e.py']

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(cpb_mlp=dict(decay_mult=0.0), logit_scale=dict(decay_mult=0.0))))
param_scheduler = dict(warmup_prefix=True)
