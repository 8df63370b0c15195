"""Your own images with a Swin of any size: the config that `mmsimmim pretrain` fills in.

What depends on the images is a variable here or in `_base_`: `--cfg-options data_root=/data/aerial max_iters=5000`.
"""

_base_ = [
    '../../_base_/models/simmim_swin-tiny-w6.py', '../../_base_/datasets/folder_simmim_iters.py',
    '../../_base_/schedules/simmim_sized.py'
]

arch = 'tiny'
in_channels = 768  # of the last stage of arch: eight times its embed_dims
encoder_stride = 32  # side of a token of the last stage, in pixels
window_size = 6
drop_path_rate = 0.0

model = dict(
    backbone=dict(
        arch=arch, img_size=_base_.img_size, window_size=window_size, drop_path_rate=drop_path_rate),
    neck=dict(in_channels=in_channels, encoder_stride=encoder_stride))
