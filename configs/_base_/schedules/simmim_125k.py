"""125,000 iterations of 2048 images, the shortest training of the data-scaling study (arXiv 2206.04664).

The study publishes batch and lengths. The rest is our choice: that of the official 800 epochs of Swin V2-B, which are
500,000 iterations of ImageNet-1K, with the step after the same fraction of the run, 7/8, and the same warm-up.
"""

_base_ = ['simmim_adamw.py']

param_scheduler = dict(
    type='mmsimmim.WarmupMultiStepLR',
    warmup=6_250,
    warmup_ratio=5e-7 / 1e-4,
    milestones=[125_000 * 7 // 8],
    gamma=0.1,
    by_epoch=False)
train_cfg = dict(type='mmsimmim.IterBasedTrainLoop', max_iters=125_000, val_interval=6_250)
