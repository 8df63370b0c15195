_base_ = ['swinv2-huge-w14_32xb64-amp-fsdp-coslr-100e_in1k-224px_simmim-800e.py']

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-125k_in1k-192px/iter_125000.pth')))
