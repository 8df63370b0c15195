"""160k iterations at effective batch size 16: 1500 of warm-up, then linear decay to 0, in bf16.

The decay ends at `train_cfg.max_iters`. Learning rate, layer decay and exemptions from weight decay depend on the
encoder.
"""

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=1.0,  # bf16 has the range of float32
    optimizer=dict(type='AdamW', betas=(0.9, 0.999), weight_decay=0.05, fused=True),
    constructor='mmsimmim.LearningRateDecayOptimWrapperConstructor',
    paramwise_cfg=dict(flat_decay_mult=0.0))  # biases and norms
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=1500)
]
train_cfg = dict(type='mmsimmim.IterBasedTrainLoop', max_iters=160_000, val_interval=16_000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(base_batch_size=16)
