"""67,500 iterations at effective batch size 96 with the rate of Swin V2-G on Objects365.

Batch, rate, weight decay and length are those of the Swin V2 paper, A2.2. A tenth of the rate for the encoder is
published for Swin V2-L alone. Warm-up and steps, at the fractions of 3x, are our choice.
"""

_base_ = 'det_htc_lsj-3x.py'

optim_wrapper = dict(optimizer=dict(lr=1.2e-3))
train_cfg = dict(_delete_=True, type='mmsimmim.IterBasedTrainLoop', max_iters=67_500, val_interval=13_500)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(
        type='MultiStepLR',
        begin=0,
        end=67_500,
        by_epoch=False,
        milestones=[67_500 * 27 // 36, 67_500 * 33 // 36],
        gamma=0.1)
]
auto_scale_lr = dict(base_batch_size=96)
