"""SimMIM with Swin-Base at 192 px, window 6, linear head, L1 on the masked pixels."""

model = dict(
    type='mmsimmim.SimMIM',
    backbone=dict(type='mmsimmim.SwinTransformer', arch='base', img_size=192, window_size=6, drop_path_rate=0.0),
    neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=1024, encoder_stride=32),
    head=dict(
        type='mmsimmim.SimMIMHead', patch_size=4, loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')))
