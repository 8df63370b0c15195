"""mmdet's Hybrid Task Cascade without the semantic branch, with Swin V2-Large, window 32 (16 in the last stage).

The paper's HTC++ adds to HTC InstaBoost, soft-NMS, and in Swin V1 one layer of global attention, whose sizes are not
published. It is not said whether it has the semantic branch, which needs label maps of COCO-stuff: in Swin V2's only
the mask branch is new after Objects365, which has no label maps either, so it is left out here.
"""

_base_ = 'mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py'

mask_head = dict(_base_.model.roi_head.mask_head, type='HTCMaskHead')

model = dict(
    type='HybridTaskCascade',
    backbone=dict(
        _delete_=True,
        type='mmsimmim.SwinTransformerV2',
        arch='large',
        window_size=(32, 32, 32, 16),
        pretrained_window_sizes=(12, 12, 12, 6),
        drop_path_rate=0.4,
        out_indices=(0, 1, 2, 3),
        with_cp=True),
    neck=dict(in_channels=[192, 384, 768, 1536]),
    roi_head=dict(
        type='HybridTaskCascadeRoIHead',
        interleaved=True,
        mask_info_flow=True,
        mask_head=[dict(mask_head, with_conv_res=False), mask_head, mask_head]),
    train_cfg=dict(rcnn=[
        dict(stage, assigner=dict(stage.assigner, match_low_quality=True)) for stage in _base_.model.train_cfg.rcnn
    ]),
    test_cfg=dict(rcnn=dict(score_thr=0.001)))
