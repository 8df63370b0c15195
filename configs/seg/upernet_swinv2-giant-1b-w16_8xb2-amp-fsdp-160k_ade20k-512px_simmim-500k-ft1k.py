_base_ = 'upernet_swinv2-giant-1b-w16_8xb2-amp-fsdp-160k_ade20k-512px_simmim-500k.py'

model = dict(backbone=dict(init_cfg=dict(
    checkpoint='work_dirs/swinv2-giant-1b-w14_32xb64-amp-fsdp-coslr-100e_in1k-224px_simmim-500k/epoch_100.pth')))
