"""Linear probe: the schedule of MAE (He et al., appendix A.1), 0.1 per 256 images, as SimMIM has published none."""

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=1.0,  # bf16 has the range of float32
    optimizer=dict(type='LARS', lr=0.1 * 16384 / 256, momentum=0.9, weight_decay=0.0))
param_scheduler = dict(
    type='mmsimmim.WarmupCosineLR',
    warmup=10,
    warmup_ratio=0.0,
    min_ratio=0.0,
    warmup_prefix=True,
    convert_to_iter_based=True)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=90, val_interval=1)

auto_scale_lr = dict(base_batch_size=16384)
