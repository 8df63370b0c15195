_base_ = ['swinv2-giant-1b-w14_32xb64-amp-fsdp-coslr-100e_in1k-224px_simmim-500k.py']

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/simmim_swinv2-giant-1b-w12_32xb64-amp-fsdp-steplr-250k_in1k-192px/iter_250000.pth')))
