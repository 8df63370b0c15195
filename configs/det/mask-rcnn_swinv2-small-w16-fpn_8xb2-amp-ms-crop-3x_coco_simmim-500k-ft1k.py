_base_ = 'mask-rcnn_swinv2-small-w16-fpn_8xb2-amp-ms-crop-3x_coco_simmim-500k.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/swinv2-small-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-500k/epoch_100.pth')))
