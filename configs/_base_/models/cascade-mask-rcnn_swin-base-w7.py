"""Cascade Mask R-CNN with Swin-Base, window 7, and the box heads of the Swin recipe.

Four convolutions and one linear layer with SyncBN, boxes per class, GIoU of the decoded boxes.
"""

_base_ = 'mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmsimmim.SwinTransformer',
        arch='base',
        window_size=7,
        drop_path_rate=0.3,
        out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[128, 256, 512, 1024]),
    roi_head=dict(bbox_head=[
        dict(
            type='ConvFCBBoxHead',
            num_shared_convs=4,
            num_shared_fcs=1,
            in_channels=256,
            conv_out_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            num_classes=80,
            bbox_coder=head.bbox_coder,
            reg_class_agnostic=False,
            reg_decoded_bbox=True,
            norm_cfg=dict(type='SyncBN', requires_grad=True),
            loss_cls=head.loss_cls,
            loss_bbox=dict(type='GIoULoss', loss_weight=10.0)) for head in _base_.model.roi_head.bbox_head
    ]))
