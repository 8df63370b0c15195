"""Hybrid Task Cascade with Swin V2-Large by the Swin V2 paper's recipe for its supervised V2-L in HTC++ (A2.1).

LSJ at 1536 px, window 32, AdamW at 4e-4 with weight decay 0.05, a tenth of the rate for the encoder, batch size 64, 3x,
soft-NMS. InstaBoost, for which mmdet needs another package, is left out; drop path is our choice. SimMIM has published
no such detector.
"""

_base_ = [
    '../_base_/models/htc_swinv2-large-w32.py', '../_base_/datasets/coco_lsj-1536.py',
    '../_base_/schedules/det_htc_lsj-3x.py', '../_base_/det_runtime.py'
]

model = dict(
    data_preprocessor=dict(batch_augments=_base_.batch_augments),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-large-w12_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')),
    test_cfg=dict(rcnn=dict(nms=dict(type='soft_nms'))))
