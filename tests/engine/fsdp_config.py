"""The tiny SimMIM, sharded; weight decay and clipping are strong, so that what they spare shows."""

_base_ = ['../commands/tiny_config.py']

custom_imports = dict(imports=['mmsimmim', 'tests.commands.killers', 'tests.engine.count_shards'])
custom_hooks = [
    dict(type='mmsimmim.SeedStepHook'),
    dict(type='mmsimmim.SkippedFilesHook'),
    dict(type='mmsimmim.CountShards')
]

model = dict(backbone=dict(with_cp=True, sequential_stages=(0, 1)))
train_dataloader = dict(batch_size=4, num_workers=0)
optim_wrapper = dict(
    # the large eps keeps rounding errors of tiny gradients from deciding over the sign of a step
    optimizer=dict(weight_decay=2.0, eps=1e-3, fused=True),
    clip_grad=dict(max_norm=0.02),
    paramwise_cfg=dict(flat_decay_mult=0.0, custom_keys=dict(mask_token=dict(decay_mult=0.0))))
param_scheduler = dict(end=2)
train_cfg = dict(max_epochs=2)
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=-1),
    reconstruction=dict(type='mmsimmim.ReconstructionHook', interval=2, num_images=1))

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
