_base_ = [
    '../_base_/models/upernet_swinv2-large-w16.py', '../_base_/datasets/ade20k_512.py',
    '../_base_/schedules/seg_swinv2_160k.py', '../_base_/seg_runtime.py'
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-large-w12_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')))
