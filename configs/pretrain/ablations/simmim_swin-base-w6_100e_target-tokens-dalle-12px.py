"""The tokens of the discrete VAE that BEiT takes; the file is that of mmpretrain's BEiT config."""

_base_ = '../simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'

model = dict(
    target_generator=dict(
        type='mmsimmim.TokenTarget',
        tokenizer=dict(
            type='mmpretrain.DALL-E', init_cfg=dict(type='Pretrained', checkpoint='checkpoints/dalle_encoder.pth'))),
    head=dict(loss=dict(_delete_=True, type='mmsimmim.CrossEntropyReconstructionLoss')))
# Tokens cannot be drawn.
default_hooks = dict(
    _delete_=True, **{name: hook for name, hook in _base_.default_hooks.items() if name != 'reconstruction'})
