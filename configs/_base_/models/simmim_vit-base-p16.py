"""SimMIM with ViT-B/16 at 224 px: one relative position bias for all blocks, no absolute positions; L1 loss."""

model = dict(
    type='mmsimmim.SimMIM',
    backbone=dict(
        type='mmsimmim.VisionTransformer',
        arch='base',
        img_size=224,
        patch_size=16,
        drop_path_rate=0.1,
        layer_scale_init_value=0.1,
        use_abs_pos_emb=False,
        use_rel_pos_bias=False,
        use_shared_rel_pos_bias=True,
        final_norm=True,
        out_type='featmap'),
    neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=768, encoder_stride=16),
    head=dict(
        type='mmsimmim.SimMIMHead', patch_size=16, loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')))
