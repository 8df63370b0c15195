_base_ = '../simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'

model = dict(neck=dict(type='mmsimmim.SimMIMInverseSwinDecoder', arch='base', img_size=192, window_size=6))
