"""Fine-tuning of Swin V2-T.

Our choice: layer decay 0.85; all else is the recipe of Swin V2-B, the only published one.
"""

_base_ = [
    '../_base_/models/swinv2-tiny-w14_cls.py', '../_base_/datasets/imagenet_cls_224.py',
    '../_base_/schedules/finetune_swinv2_100e.py', '../_base_/cls_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-tiny-w12_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')),
    head=dict(num_classes=_base_.num_classes))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.85))
