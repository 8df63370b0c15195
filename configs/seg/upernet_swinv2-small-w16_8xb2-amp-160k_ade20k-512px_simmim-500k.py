"""UPerNet with Swin V2-Small after 500,000 iterations of the data-scaling study (arXiv 2206.04664).

The study's own settings of segmentation are not known to us. Our choice is all of Swin V2-B's recipe here, drop path
0.3 included.
"""

_base_ = [
    '../_base_/models/upernet_swinv2-small-w16.py', '../_base_/datasets/ade20k_512.py',
    '../_base_/schedules/seg_swinv2_160k.py', '../_base_/seg_runtime.py'
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-small-w12_16xb128-amp-steplr-500k_in1k-192px/iter_500000.pth')))
