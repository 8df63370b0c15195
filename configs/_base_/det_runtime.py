"""Runtime of every detection run; this one counts epochs."""

_base_ = 'mmdet::_base_/default_runtime.py'

custom_imports = dict(imports=['mmsimmim'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='mmsimmim.RuntimeInfoHook'),
    logger=dict(type='mmsimmim.LoggerHook'),
    checkpoint=dict(type='mmsimmim.CheckpointHook', max_keep_ckpts=3, save_best='coco/bbox_mAP'),
    step_seed=dict(type='mmsimmim.SeedStepHook'),
    finite=dict(type='mmsimmim.FiniteHook', max_bad_steps=10),
    preemption=dict(type='mmsimmim.PreemptionHook'),
    classes=dict(type='mmsimmim.CheckClassesHook'))

vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(vis_backends=vis_backends)

# Gradients are views of the DDP buckets: 4 bytes less for each parameter.
model_wrapper_cfg = dict(type='MMDistributedDataParallel', broadcast_buffers=False, gradient_as_bucket_view=True)

randomness = dict(seed=0)
