"""UPerNet with Swin V2-Giant (3 billion parameters) in crops of 640 px; the backward pass recomputes blocks.

Windows of 40, in the last stage 20, and none is shifted where one is the whole map, as in pre-training and in the
classifier of this size: so images are tested in crops of 640 px, too, with mmsegmentation's stride of two thirds.
"""

_base_ = 'upernet_swinv2-base-w16.py'

model = dict(
    backbone=dict(arch='giant', img_size=640, window_size=(40, 40, 40, 20), drop_path_rate=0.4, with_cp=True),
    decode_head=dict(in_channels=[512, 1024, 2048, 4096]),
    auxiliary_head=dict(in_channels=2048),
    test_cfg=dict(mode='slide', crop_size=(640, 640), stride=(426, 426)))
