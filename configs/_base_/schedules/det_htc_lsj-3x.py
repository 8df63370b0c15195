"""36 epochs at effective batch size 64 with the rates of Swin V2-L in HTC++: 4e-4, and a tenth of it for the encoder.

Those of the Swin V2 paper, A2.1, where the rates of all layers are alike.
"""

_base_ = 'det_lsj-3x.py'

optim_wrapper = dict(
    optimizer=dict(lr=4e-4), paramwise_cfg=dict(layer_decay_rate=1.0, backbone_lr_mult=0.1))
auto_scale_lr = dict(base_batch_size=64)
