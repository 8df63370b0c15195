"""UPerNet with a ViT: learning rate and layer decay of BEiT's config for pre-training alone.

Bias tables decay, as in the official fine-tuning.
"""

_base_ = 'seg_160k.py'

optim_wrapper = dict(
    optimizer=dict(lr=7e-4),
    paramwise_cfg=dict(layer_decay_rate=0.65, custom_keys=dict(cls_token=dict(decay_mult=0.0))))
