_base_ = [
    '../_base_/models/vitdet_mask-rcnn_vit-base-p16.py', '../_base_/datasets/coco_lsj_vit.py',
    '../_base_/schedules/det_vit_lsj-100e.py', '../_base_/det_iters_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_vit-base-p16_16xb128-amp-steplr-800e_in1k-224px/epoch_800.pth')))
train_dataloader = dict(sampler=dict(type='mmsimmim.SeededInfiniteSampler'))

default_hooks = dict(checkpoint=dict(interval=7_375))
