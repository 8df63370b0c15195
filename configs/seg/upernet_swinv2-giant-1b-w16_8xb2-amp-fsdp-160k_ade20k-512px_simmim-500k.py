"""UPerNet with the Swin V2-g of 1.1 billion parameters after 500,000 iterations of the data-scaling study.

The study's own settings of segmentation (arXiv 2206.04664) are not known to us. Our choice is all of Swin V2-H's recipe
here, layer decay 0.9 and drop path 0.4 included.
"""

_base_ = [
    '../_base_/models/upernet_swinv2-giant-1b-w16.py', '../_base_/datasets/ade20k_512.py',
    '../_base_/schedules/seg_swinv2_160k.py', '../_base_/seg_runtime.py'
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-giant-1b-w12_32xb64-amp-fsdp-steplr-500k_in1k-192px/iter_500000.pth')))

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
