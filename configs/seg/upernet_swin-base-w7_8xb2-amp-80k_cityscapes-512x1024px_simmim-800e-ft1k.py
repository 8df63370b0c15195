_base_ = 'upernet_swin-base-w7_8xb2-amp-80k_cityscapes-512x1024px_simmim-800e.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/swin-base-w7_16xb128-amp-coslr-100e_in1k-224px_simmim-800e/epoch_100.pth')))
