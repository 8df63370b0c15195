"""Fine-tuning of a ViT: its bias tables decay, as in the official run."""

_base_ = ['finetune_100e.py']

optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(cls_token=dict(decay_mult=0.0))))
