"""UPerNet with Swin V2-Huge, whose 54.2 mIoU are published, but not its settings.

Learning rate, layer decay and drop path (0.4) are our choice from the ranges of ConvNeXt V2's appendix A.4.
"""

_base_ = [
    '../_base_/models/upernet_swinv2-huge-w16.py', '../_base_/datasets/ade20k_512.py',
    '../_base_/schedules/seg_swinv2_160k.py', '../_base_/seg_runtime.py'
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-800e_in1k-192px/epoch_800.pth')))

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
