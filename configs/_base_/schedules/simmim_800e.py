"""The 800 epochs of the paper's system-level comparison: 1e-4 per 512 images, a tenth of it from epoch 700."""

_base_ = ['simmim_adamw.py']

param_scheduler = dict(
    type='mmsimmim.WarmupMultiStepLR',
    warmup=10,
    warmup_ratio=5e-7 / 1e-4,
    milestones=[700],
    gamma=0.1,
    convert_to_iter_based=True)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=800, val_interval=10)
