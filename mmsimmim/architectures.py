"""Sizes of the encoders, under mmpretrain's names.

The three smallest Swins are ours, for what a CPU or a laptop's GPU trains: no paper has them, and nobody has published
weights. Their names are those of ConvNeXt's small sizes in timm. ViT-Ti and ViT-S are 'deit-tiny' and 'deit-small'.
"""

SWIN = {
    'atto': dict(embed_dims=24, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8]),
    'femto': dict(embed_dims=48, depths=[2, 2, 2, 2], num_heads=[2, 4, 8, 16]),
    'nano': dict(embed_dims=64, depths=[2, 2, 6, 2], num_heads=[2, 4, 8, 16]),
    'tiny': dict(embed_dims=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24]),
    'small': dict(embed_dims=96, depths=[2, 2, 18, 2], num_heads=[3, 6, 12, 24]),
    'base': dict(embed_dims=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32]),
    'large': dict(embed_dims=192, depths=[2, 2, 18, 2], num_heads=[6, 12, 24, 48]),
}

SWIN_V2 = {
    **SWIN,
    'huge': dict(embed_dims=352, depths=[2, 2, 18, 2], num_heads=[8, 16, 32, 64], extra_norm_every_n_blocks=6),
    'giant': dict(embed_dims=512, depths=[2, 2, 42, 4], num_heads=[16, 32, 64, 128], extra_norm_every_n_blocks=6),
    'giant-1b': dict(embed_dims=448, depths=[2, 2, 18, 2], num_heads=[14, 28, 56, 112]),
}

VIT = {
    'small': dict(embed_dims=768, num_layers=8, num_heads=8, feedforward_channels=2304),
    'base': dict(embed_dims=768, num_layers=12, num_heads=12, feedforward_channels=3072),
    'large': dict(embed_dims=1024, num_layers=24, num_heads=16, feedforward_channels=4096),
    'eva-giant': dict(embed_dims=1408, num_layers=40, num_heads=16, feedforward_channels=6144),
    'deit-tiny': dict(embed_dims=192, num_layers=12, num_heads=3, feedforward_channels=768),
    'deit-small': dict(embed_dims=384, num_layers=12, num_heads=6, feedforward_channels=1536),
    'deit-base': dict(embed_dims=768, num_layers=12, num_heads=12, feedforward_channels=3072),
}

FAMILIES = {'swin': SWIN, 'swinv2': SWIN_V2, 'vit': VIT}
