"""Mask R-CNN with the Swin V2-g of 1.1 billion parameters after 500,000 iterations of the data-scaling study.

The study's own settings of detection (arXiv 2206.04664) are not known to us. Our choice is all of Swin V2-H's
recipe here, layer decay 0.9 and drop path 0.5 included.
"""

_base_ = [
    '../_base_/models/mask-rcnn_swinv2-giant-1b-w16.py', '../_base_/datasets/coco_lsj.py',
    '../_base_/schedules/det_lsj-3x.py', '../_base_/det_runtime.py'
]

model = dict(
    data_preprocessor=dict(batch_augments=_base_.batch_augments),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-giant-1b-w12_32xb64-amp-fsdp-steplr-500k_in1k-192px/iter_500000.pth')),
    test_cfg=dict(rcnn=dict(nms=dict(type='soft_nms'))))
train_dataloader = dict(batch_size=1)

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
