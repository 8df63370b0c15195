_base_ = [
    '../_base_/models/swin-base-w7_cls.py', '../_base_/datasets/imagenet_cls_192.py',
    '../_base_/schedules/finetune_swin_100e.py', '../_base_/cls_runtime.py'
]

model = dict(
    backbone=dict(
        img_size=192,
        window_size=6,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px/epoch_100.pth')),
    head=dict(num_classes=_base_.num_classes))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.9))
