_base_ = [
    '../_base_/models/swin-tiny-w7_cls.py', '../_base_/datasets/imagenet_cls_224.py',
    '../_base_/schedules/finetune_swin_100e.py', '../_base_/cls_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-tiny-w6_8xb256-amp-coslr-100e_in1k-192px/epoch_100.pth')),
    head=dict(num_classes=_base_.num_classes))
train_dataloader = dict(batch_size=256)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.9))
