_base_ = '../simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'

model = dict(target_generator=dict(type='mmsimmim.NormalizedPixelTarget', window_size=47))
