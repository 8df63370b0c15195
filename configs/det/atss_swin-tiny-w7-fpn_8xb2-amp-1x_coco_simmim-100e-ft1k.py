_base_ = 'atss_swin-tiny-w7-fpn_8xb2-amp-1x_coco_simmim-100e.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/swin-tiny-w7_8xb256-amp-coslr-100e_in1k-224px_simmim-100e/epoch_100.pth')))
