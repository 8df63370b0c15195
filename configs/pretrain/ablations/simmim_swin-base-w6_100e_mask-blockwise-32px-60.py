_base_ = '../simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'

mask = dict(_base_.mask, type='mmsimmim.BlockwiseMaskGenerator', mask_ratio=0.6)
train_dataloader = dict(collate_fn=dict(mask=mask))
