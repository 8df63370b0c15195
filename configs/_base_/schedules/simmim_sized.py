"""Length, rate and intervals as variables that fit the images, for the cosine of the paper's 100 epochs."""

_base_ = ['simmim_adamw.py', '../iters_runtime.py']

lr = 2e-4
weight_decay = 0.05
max_iters = 2000
warmup = 200
accumulative_counts = 1  # batches of one step
interval = 200  # iterations between two checkpoints, validations, pictures

optim_wrapper = dict(
    accumulative_counts=accumulative_counts, optimizer=dict(lr=lr, weight_decay=weight_decay))
param_scheduler = dict(
    type='mmsimmim.WarmupCosineLR',
    warmup=warmup,
    warmup_ratio=1e-6 / 2e-4,
    min_ratio=1e-5 / 2e-4,
    end=max_iters,
    by_epoch=False)
train_cfg = dict(type='mmsimmim.IterBasedTrainLoop', max_iters=max_iters, val_interval=interval)
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=interval),
    reconstruction=dict(interval=interval))
