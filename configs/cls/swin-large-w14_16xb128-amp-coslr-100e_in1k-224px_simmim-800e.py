_base_ = [
    '../_base_/models/swin-large-w14_cls.py', '../_base_/datasets/imagenet_cls_224.py',
    '../_base_/schedules/finetune_swin_100e.py', '../_base_/cls_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-large-w12_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')),
    head=dict(num_classes=_base_.num_classes))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.7))
