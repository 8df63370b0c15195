_base_ = '../simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'

mask = dict(_base_.mask, mask_patch_size=8, mask_ratio=0.4)
train_dataloader = dict(collate_fn=dict(mask=mask))
