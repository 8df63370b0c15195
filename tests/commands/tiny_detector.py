"""A Mask R-CNN small enough to test in a second. The tests set ``data_root``."""

_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py', 'mmdet::_base_/default_runtime.py']

custom_imports = dict(imports=['mmsimmim'], allow_failed_imports=False)
data_root = 'data'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmsimmim.SwinTransformer',
        arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]),
        window_size=4,
        out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16),
        bbox_head=dict(in_channels=16, fc_out_channels=16, num_classes=2),
        mask_roi_extractor=dict(out_channels=16),
        mask_head=dict(num_convs=1, in_channels=16, conv_out_channels=16, num_classes=2)),
    test_cfg=dict(rcnn=dict(score_thr=0.0, max_per_img=5)))

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        metainfo=dict(classes=('cat', 'dog')),
        ann_file='train.json',
        data_prefix=dict(img='train/'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(80, 60), keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
        ]))
test_cfg = dict(type='TestLoop')
test_evaluator = dict(type='CocoMetric', ann_file=f'{data_root}/train.json', metric=['bbox', 'segm'])
default_hooks = dict(classes=dict(type='mmsimmim.CheckClassesHook'))
