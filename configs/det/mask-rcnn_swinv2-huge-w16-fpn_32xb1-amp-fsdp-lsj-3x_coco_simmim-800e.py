"""Mask R-CNN with Swin V2-Huge, the row of SimMIM's appendix with 54.4 box AP, whose own settings were never published.

36 epochs at batch size 32, LSJ at 1024 px, soft-NMS, AdamW with weight decay 0.05, and steps after epochs 27 and 33 are
ConvNeXt V2's (A.3), which says that it follows SimMIM, and gives ranges for the layer decay (0.9, 0.95) and drop path
(0.2 to 0.5). Windows, layer decay 0.9 and drop path 0.5 are our choice.
"""

_base_ = [
    '../_base_/models/mask-rcnn_swinv2-huge-w16.py', '../_base_/datasets/coco_lsj.py',
    '../_base_/schedules/det_lsj-3x.py', '../_base_/det_runtime.py'
]

model = dict(
    data_preprocessor=dict(batch_augments=_base_.batch_augments),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-800e_in1k-192px/epoch_800.pth')),
    test_cfg=dict(rcnn=dict(nms=dict(type='soft_nms'))))
train_dataloader = dict(batch_size=1)

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
