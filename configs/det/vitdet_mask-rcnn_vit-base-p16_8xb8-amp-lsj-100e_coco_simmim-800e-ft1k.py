_base_ = 'vitdet_mask-rcnn_vit-base-p16_8xb8-amp-lsj-100e_coco_simmim-800e.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/vit-base-p16_16xb128-amp-coslr-100e_in1k-224px_simmim-800e/epoch_100.pth')))
