"""SimMIM with Swin V2-Base at 192 px, window 12 (6 in the last stage, whose map is no larger), linear head, L1 loss.

The target is each pixel, normalised by the 47 x 47 pixels around it.
"""

model = dict(
    type='mmsimmim.SimMIM',
    backbone=dict(type='mmsimmim.SwinTransformerV2', arch='base', img_size=192, window_size=12, drop_path_rate=0.1),
    neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=1024, encoder_stride=32),
    target_generator=dict(type='mmsimmim.NormalizedPixelTarget', window_size=47),
    head=dict(
        type='mmsimmim.SimMIMHead', patch_size=4, loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')))
