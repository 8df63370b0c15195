"""Mask R-CNN with Swin V2-Small after 500,000 iterations of the data-scaling study (arXiv 2206.04664).

The study's own settings of detection are not known to us. Our choice is all of Swin V2-B's recipe here, with the
drop path of 0.2 that MMDetection's Swin-S has.
"""

_base_ = [
    '../_base_/models/mask-rcnn_swinv2-small-w16.py', '../_base_/datasets/coco_ms-crop.py',
    '../_base_/schedules/det_3x.py', '../_base_/det_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-small-w12_16xb128-amp-steplr-500k_in1k-192px/iter_500000.pth')))
