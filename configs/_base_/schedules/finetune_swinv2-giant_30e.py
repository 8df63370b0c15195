"""The second, supervised stage of Swin V2-G (Swin V2 paper, appendix A2.2): 30 epochs, 1.4e-3 for 9216 images.

As in the first stage the first and the last rate are our choice.
"""

_base_ = ['finetune_swinv2_100e.py']

optim_wrapper = dict(
    optimizer=dict(lr=1.4e-3, weight_decay=0.1),
    clip_grad=dict(max_norm=100.0),
    paramwise_cfg=dict(layer_decay_rate=0.87))
param_scheduler = dict(
    _delete_=True,
    type='mmsimmim.WarmupCosineLR',
    warmup=20_000,
    warmup_ratio=1.25e-7 / 1.25e-4,
    min_ratio=1.25e-6 / 1.25e-4,
    warmup_prefix=True,
    by_epoch=False)
train_cfg = dict(max_epochs=30)
auto_scale_lr = dict(base_batch_size=9216)
