_base_ = 'mask-rcnn_swinv2-huge-w16-fpn_32xb1-amp-fsdp-lsj-3x_coco_simmim-800e.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/swinv2-huge-w14_32xb64-amp-fsdp-coslr-100e_in1k-224px_simmim-800e/epoch_100.pth')))
