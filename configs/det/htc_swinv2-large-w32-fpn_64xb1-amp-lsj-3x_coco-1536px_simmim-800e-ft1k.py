_base_ = 'htc_swinv2-large-w32-fpn_64xb1-amp-lsj-3x_coco-1536px_simmim-800e.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/swinv2-large-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e/epoch_100.pth')))
