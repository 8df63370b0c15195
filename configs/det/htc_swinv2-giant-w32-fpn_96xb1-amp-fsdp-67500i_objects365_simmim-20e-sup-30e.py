"""Swin V2-Giant on the boxes of Objects365 v2, from its second, supervised stage: the first half of 62.5 box AP.

The Swin V2 paper, A2.2: HTC++ without masks, sides of 800 to 1024 px, window 32, AdamW at 1.2e-3 with weight decay
0.05, batch size 96, 67,500 iterations. Our choice: a tenth of the rate for the encoder (published for V2-L), the shape
of the schedule, drop path. The checkpoint is what the second half starts from.
"""

_base_ = [
    '../_base_/models/htc_swinv2-giant-w32_boxes.py', '../_base_/datasets/objects365.py',
    '../_base_/schedules/det_htc_67500i.py', '../_base_/det_iters_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/swinv2-giant-w12_128xb72-amp-fsdp-coslr-30e_folder-192px_simmim-20e/epoch_30.pth')),
    roi_head=dict(bbox_head=[dict(head, num_classes=365) for head in _base_.model.roi_head.bbox_head]))

default_hooks = dict(checkpoint=dict(interval=13_500))

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
