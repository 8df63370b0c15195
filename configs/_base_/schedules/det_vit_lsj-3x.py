"""ViTDet's rates for 36 epochs at effective batch size 64. Bias tables decay, as in the official ViT fine-tuning."""

_base_ = 'det_lsj-3x.py'

optim_wrapper = dict(
    optimizer=dict(weight_decay=0.1), paramwise_cfg=dict(layer_decay_rate=0.7, custom_keys=dict(_delete_=True)))
param_scheduler = [dict(_base_.param_scheduler[0], end=250), _base_.param_scheduler[1]]
auto_scale_lr = dict(base_batch_size=64)
