"""Fine-tuning of the Swin V2-g of 1.1 billion parameters after 500,000 iterations of the data-scaling study.

The study publishes the accuracy and no recipe. Our choice: layer decay 0.65, drop path 0.4; all else is the recipe of
Swin V2-B, the only published one. The README of this folder gives the reasons.
"""

_base_ = [
    '../_base_/models/swinv2-giant-1b-w14_cls.py', '../_base_/datasets/imagenet_cls_224.py',
    '../_base_/schedules/finetune_swinv2_100e.py', '../_base_/cls_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-giant-1b-w12_32xb64-amp-fsdp-steplr-500k_in1k-192px/iter_500000.pth')),
    head=dict(num_classes=_base_.num_classes))
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.65))

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
