_base_ = ['swin-base-w7_16xb128-amp-coslr-100e_in1k-224px_simmim-100e.py']

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/simmim_swin-base-w6_16xb128-amp-steplr-800e_in1k-192px/epoch_800.pth')))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.8))
