_base_ = 'cascade-mask-rcnn_swinv2-large-w16-fpn_8xb2-amp-ms-crop-3x_coco_simmim-800e.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/swinv2-large-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e/epoch_100.pth')))
