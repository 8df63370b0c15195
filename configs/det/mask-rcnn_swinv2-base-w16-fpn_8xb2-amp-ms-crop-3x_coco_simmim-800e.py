_base_ = [
    '../_base_/models/mask-rcnn_swinv2-base-w16.py', '../_base_/datasets/coco_ms-crop.py',
    '../_base_/schedules/det_3x.py', '../_base_/det_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-base-w12_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')))
