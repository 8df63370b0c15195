"""UPerNet with Swin V2-Giant: appendix A2.2 of Swin V2, with one learning rate for all layers."""

_base_ = 'seg_swinv2_160k.py'

optim_wrapper = dict(optimizer=dict(lr=4e-5), paramwise_cfg=dict(layer_decay_rate=1.0))
param_scheduler = _base_.param_scheduler
param_scheduler[0]['end'] = param_scheduler[1]['begin'] = 750
train_cfg = dict(max_iters=80_000)

auto_scale_lr = dict(base_batch_size=32)
