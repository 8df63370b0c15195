_base_ = [
    '../_base_/models/vit-base-p16_linear.py', '../_base_/datasets/imagenet_linear_224.py',
    '../_base_/schedules/linear_90e.py', '../_base_/cls_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_vit-base-p16_16xb128-amp-steplr-800e_in1k-224px/epoch_800.pth')),
    head=dict(num_classes=_base_.num_classes))
train_dataloader = dict(batch_size=2048)
