_base_ = [
    '../_base_/models/upernet_swin-tiny-w7.py', '../_base_/datasets/ade20k_512.py',
    '../_base_/schedules/seg_swin_160k.py', '../_base_/seg_runtime.py'
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-tiny-w6_8xb256-amp-coslr-100e_in1k-192px/epoch_100.pth')))
