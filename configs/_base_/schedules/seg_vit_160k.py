"""UPerNet with a ViT: the rates with which BEiT is trained after pre-training alone. Bias tables decay, as everywhere."""

_base_ = 'seg_160k.py'

optim_wrapper = dict(
    optimizer=dict(lr=7e-4),
    paramwise_cfg=dict(layer_decay_rate=0.65, custom_keys=dict(cls_token=dict(decay_mult=0.0))))
