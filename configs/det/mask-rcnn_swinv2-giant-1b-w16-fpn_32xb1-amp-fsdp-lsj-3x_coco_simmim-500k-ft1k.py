_base_ = 'mask-rcnn_swinv2-giant-1b-w16-fpn_32xb1-amp-fsdp-lsj-3x_coco_simmim-500k.py'

model = dict(backbone=dict(init_cfg=dict(
    checkpoint='work_dirs/swinv2-giant-1b-w14_32xb64-amp-fsdp-coslr-100e_in1k-224px_simmim-500k/epoch_100.pth')))
