"""Runtime of every segmentation run, for 160k iterations: shorter runs set the interval of checkpoints."""

_base_ = 'mmseg::_base_/default_runtime.py'

custom_imports = dict(imports=['mmsimmim'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='mmsimmim.RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='mmsimmim.LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='mmsimmim.CheckpointHook', by_epoch=False, interval=16_000, max_keep_ckpts=3, save_best='mIoU'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    step_seed=dict(type='mmsimmim.SeedStepHook'),
    finite=dict(type='mmsimmim.FiniteHook', max_bad_steps=10),
    preemption=dict(type='mmsimmim.PreemptionHook'),
    classes=dict(type='mmsimmim.CheckClassesHook'),
    visualization=dict(type='SegVisualizationHook'))

vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(vis_backends=vis_backends)

# Gradients are views of the DDP buckets: 4 bytes less for each parameter.
model_wrapper_cfg = dict(type='MMDistributedDataParallel', broadcast_buffers=False, gradient_as_bucket_view=True)

randomness = dict(seed=0)
