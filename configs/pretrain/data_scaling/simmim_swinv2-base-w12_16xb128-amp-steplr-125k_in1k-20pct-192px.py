_base_ = '../simmim_swinv2-base-w12_16xb128-amp-steplr-125k_in1k-192px.py'

fraction = 0.2
train_dataloader = dict(dataset=dict(fraction=fraction))
