_base_ = '../simmim_swinv2-small-w12_16xb128-amp-steplr-250k_in1k-192px.py'

fraction = 0.5
train_dataloader = dict(dataset=dict(fraction=fraction))
