_base_ = [
    '../_base_/models/atss_swin-tiny-w7.py', '../_base_/datasets/coco_detection.py',
    '../_base_/schedules/det_1x.py', '../_base_/det_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-tiny-w6_8xb256-amp-coslr-100e_in1k-192px/epoch_100.pth')))
