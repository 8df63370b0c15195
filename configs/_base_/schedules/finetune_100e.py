"""The official fine-tuning of 100 epochs: cosine from 1.25e-3 per 512 images, with layer decay.

`optim_wrapper.paramwise_cfg.layer_decay_rate` goes with the pre-training and is set in the configs.
"""

_base_ = ['simmim_adamw.py']

optim_wrapper = dict(
    optimizer=dict(lr=1.25e-3 * 2048 / 512),
    constructor='mmsimmim.LearningRateDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, flat_decay_mult=0.0))  # biases and norms
param_scheduler = dict(
    type='mmsimmim.WarmupCosineLR',
    warmup=20,
    warmup_ratio=2.5e-7 / 1.25e-3,
    min_ratio=2.5e-7 / 1.25e-3,
    convert_to_iter_based=True)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=1)
