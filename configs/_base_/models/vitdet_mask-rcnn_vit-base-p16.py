"""ViTDet: ViT-Base with windows of 14 x 14 patches, four global blocks, simple feature pyramid, heads with layer norm.

Bias tables of pre-training at 224 px fit the windows unchanged, and are resized for the global blocks. These have maps
of one size, in training and testing: images are padded to 1024 px.
"""

_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

norm_cfg = dict(type='mmpretrain.LN2d', eps=1e-6)
model = dict(
    data_preprocessor=dict(pad_size_divisor=1024),
    backbone=dict(
        _delete_=True,
        type='mmsimmim.VisionTransformer',
        arch='base',
        img_size=224,
        patch_size=16,
        window_size=14,
        global_attn_indexes=(2, 5, 8, 11),
        drop_path_rate=0.1,
        layer_scale_init_value=0.1,
        use_rel_pos_bias=True,
        use_shared_rel_pos_bias=False,
        with_cls_token=False,
        final_norm=False,
        with_cp=True),
    neck=dict(
        _delete_=True,
        type='mmsimmim.SimpleFeaturePyramid',
        in_channels=768,
        out_channels=256,
        scales=(4, 2, 1, 0.5),
        num_outs=5,
        norm_cfg=norm_cfg),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=norm_cfg),
        mask_head=dict(norm_cfg=norm_cfg)))
