"""SimMIM with Swin-Large at 192 px, window 12 (6 in the last stage, whose map is no larger), linear head, L1 loss."""

model = dict(
    type='mmsimmim.SimMIM',
    backbone=dict(type='mmsimmim.SwinTransformer', arch='large', img_size=192, window_size=12, drop_path_rate=0.0),
    neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=1536, encoder_stride=32),
    head=dict(
        type='mmsimmim.SimMIMHead', patch_size=4, loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')))
