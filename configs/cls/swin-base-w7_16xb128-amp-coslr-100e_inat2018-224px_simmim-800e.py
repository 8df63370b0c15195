"""Swin-B on iNaturalist-2018, as in the appendix of the SimMIM paper; neither its recipe nor its accuracy was found.

Our choice: what the official fine-tuning on ImageNet-1K does.
"""

_base_ = [
    '../_base_/models/swin-base-w7_cls.py', '../_base_/datasets/inaturalist2018_cls_224.py',
    '../_base_/schedules/finetune_swin_100e.py', '../_base_/cls_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swin-base-w6_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')),
    head=dict(num_classes=_base_.num_classes))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
