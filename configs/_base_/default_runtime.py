"""Runtime of every pre-training run."""

default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmsimmim'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='mmsimmim.RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='mmsimmim.LoggerHook', interval=100),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='mmsimmim.CheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    step_seed=dict(type='mmsimmim.SeedStepHook'),
    finite=dict(type='mmsimmim.FiniteHook', max_bad_steps=10),
    preemption=dict(type='mmsimmim.PreemptionHook'),
    skipped_files=dict(type='mmsimmim.SkippedFilesHook'),
    reconstruction=dict(type='mmsimmim.ReconstructionHook', interval=10))

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))

vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)

# Gradients are views of the DDP buckets: 4 bytes less for each parameter.
model_wrapper_cfg = dict(type='MMDistributedDataParallel', broadcast_buffers=False, gradient_as_bucket_view=True)

log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
