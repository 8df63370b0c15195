"""Length, batch, rate and precision as variables that fit the images; the optimizer is the official one."""

_base_ = ['simmim_adamw.py', '../iters_runtime.py']

lr = 2e-4  # for the batch below, not scaled again
weight_decay = 0.05
clip_grad = 5.0
accumulative_counts = 1  # iterations of a step
precision = 'bf16'  # or 'fp16', 'fp32'
max_iters = 2000
warmup = 200
milestone = None  # iterations after which the rate falls to a tenth, in place of the cosine
interval = 200  # iterations between two checkpoints, validations, pictures
log_interval = 10

wrappers = dict(
    bf16=dict(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=1.0),
    fp16=dict(type='AmpOptimWrapper', dtype='float16', loss_scale='dynamic'),
    fp32=dict(type='OptimWrapper'))
optim_wrapper = dict(
    _delete_=True,
    **wrappers[precision],
    accumulative_counts=accumulative_counts,
    optimizer=dict(_base_.optim_wrapper.optimizer, lr=lr, weight_decay=weight_decay),
    clip_grad=dict(max_norm=clip_grad),
    paramwise_cfg=_base_.optim_wrapper.paramwise_cfg)

param_scheduler = dict(
    type='mmsimmim.WarmupCosineLR',
    warmup=warmup,
    warmup_ratio=1e-6 / 2e-4,
    min_ratio=1e-5 / 2e-4,
    end=max_iters,
    by_epoch=False)
if milestone is not None:
    param_scheduler = dict(
        type='mmsimmim.WarmupMultiStepLR',
        warmup=warmup,
        warmup_ratio=5e-7 / 1e-4,
        milestones=[milestone],
        gamma=0.1,
        end=max_iters,
        by_epoch=False)

train_cfg = dict(type='mmsimmim.IterBasedTrainLoop', max_iters=max_iters, val_interval=interval)
default_hooks = dict(
    logger=dict(interval=log_interval), checkpoint=dict(interval=interval), reconstruction=dict(interval=interval))
