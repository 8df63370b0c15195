"""ViTDet's 100 epochs at effective batch size 64, counted in iterations as published; a validation every 4 epochs."""

_base_ = 'det_vit_lsj-3x.py'

train_cfg = dict(_delete_=True, type='mmsimmim.IterBasedTrainLoop', max_iters=184_375, val_interval=7_375)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', begin=0, end=184_375, by_epoch=False, milestones=[163_889, 177_546], gamma=0.1)
]
