"""The 100 epochs of the paper's ablations: cosine from 2e-4 per 512 images."""

_base_ = ['simmim_adamw.py']

optim_wrapper = dict(optimizer=dict(lr=2e-4 * 2048 / 512))
param_scheduler = dict(
    type='mmsimmim.WarmupCosineLR',
    warmup=10,
    warmup_ratio=1e-6 / 2e-4,
    min_ratio=1e-5 / 2e-4,
    convert_to_iter_based=True)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=10)
