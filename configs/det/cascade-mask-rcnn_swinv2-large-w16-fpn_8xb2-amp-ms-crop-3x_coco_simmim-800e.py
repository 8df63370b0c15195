"""Cascade Mask R-CNN with Swin V2-Large by the Swin V2 paper's recipe for its supervised T, S and B (A1.2).

Short sides of 480 to 800 px, window 16, AdamW at 1e-4 with weight decay 0.05, batch size 16, 3x. The crop before the
resizing is mmdet's for Swin; layer decay and drop path are our choice. SimMIM has published no such detector.
"""

_base_ = [
    '../_base_/models/cascade-mask-rcnn_swinv2-large-w16.py', '../_base_/datasets/coco_ms-crop.py',
    '../_base_/schedules/det_3x.py', '../_base_/det_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-large-w12_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')))
