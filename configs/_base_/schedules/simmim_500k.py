"""500,000 iterations of 2048 images, after the data-scaling study."""

_base_ = ['simmim_125k.py']

param_scheduler = dict(milestones=[500_000 * 7 // 8])
train_cfg = dict(max_iters=500_000)
