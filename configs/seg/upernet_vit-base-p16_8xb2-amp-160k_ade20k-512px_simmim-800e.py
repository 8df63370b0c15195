_base_ = [
    '../_base_/models/upernet_vit-base-p16.py', '../_base_/datasets/ade20k_512.py',
    '../_base_/schedules/seg_vit_160k.py', '../_base_/seg_runtime.py'
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_vit-base-p16_16xb128-amp-steplr-800e_in1k-224px/epoch_800.pth')),
    test_cfg=dict(crop_size=_base_.crop_size))
