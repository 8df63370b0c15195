_base_ = [
    '../_base_/models/upernet_swin-base-w7.py', '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/seg_swin_160k.py', '../_base_/seg_runtime.py'
]

train_cfg = dict(max_iters=80_000)
model = dict(
    decode_head=dict(num_classes=19),
    auxiliary_head=dict(num_classes=19),
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-base-w6_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')))
