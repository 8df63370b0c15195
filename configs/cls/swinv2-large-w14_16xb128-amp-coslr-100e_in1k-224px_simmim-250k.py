_base_ = ['swinv2-large-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py']

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/simmim_swinv2-large-w12_16xb128-amp-steplr-250k_in1k-192px/iter_250000.pth')))
