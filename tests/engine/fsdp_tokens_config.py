"""The same with tokens of a frozen network as the target, a head of transformer blocks, and the loss in parts."""

_base_ = ['fsdp_config.py']

model = dict(
    neck=dict(
        _delete_=True,
        type='mmsimmim.SimMIMInverseSwinDecoder',
        in_channels=64,
        encoder_stride=16,
        arch=dict(embed_dims=8, depths=[1, 1, 1], num_heads=[1, 1, 2]),
        window_size=2),
    target_generator=dict(
        type='mmsimmim.TokenTarget',
        tokenizer=dict(type='mmpretrain.DALL-E', n_hid=8, n_blk_per_group=1, vocab_size=12),
        num_tokens=12,
        stride=4),
    head=dict(loss=dict(_delete_=True, type='mmsimmim.CrossEntropyReconstructionLoss', scores_at_a_time=1)))
# Tokens cannot be drawn.
default_hooks = dict(
    _delete_=True, **{name: hook for name, hook in _base_.default_hooks.items() if name != 'reconstruction'})
