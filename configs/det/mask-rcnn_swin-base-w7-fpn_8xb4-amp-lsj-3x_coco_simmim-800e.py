_base_ = [
    '../_base_/models/mask-rcnn_swin-base-w7.py', '../_base_/datasets/coco_lsj.py',
    '../_base_/schedules/det_lsj-3x.py', '../_base_/det_runtime.py'
]

model = dict(
    data_preprocessor=dict(batch_augments=_base_.batch_augments),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-base-w6_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')),
    test_cfg=dict(rcnn=dict(nms=dict(type='soft_nms'))))
