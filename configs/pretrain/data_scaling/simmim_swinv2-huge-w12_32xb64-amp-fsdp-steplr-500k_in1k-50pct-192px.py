_base_ = '../simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-500k_in1k-192px.py'

fraction = 0.5
train_dataloader = dict(dataset=dict(fraction=fraction))
