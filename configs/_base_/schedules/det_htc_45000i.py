"""45,000 iterations at effective batch size 96, 36 epochs of COCO, with the rate of Swin V2-G after Objects365."""

_base_ = 'det_htc_67500i.py'

optim_wrapper = dict(optimizer=dict(lr=6e-4))
train_cfg = dict(max_iters=45_000, val_interval=4_500)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=45_000, milestones=[45_000 * 27 // 36, 45_000 * 33 // 36])
]
