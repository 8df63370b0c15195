"""The tokens of BEiT v2's VQ-KD; the file is that of mmpretrain's BEiT v2 config."""

_base_ = '../simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'

model = dict(
    target_generator=dict(
        type='mmsimmim.TokenTarget',
        tokenizer=dict(
            type='mmpretrain.VQKD',
            encoder_config=dict(
                arch='base',
                img_size=224,
                out_type='featmap',
                final_norm=True,
                use_abs_pos_emb=True,
                use_rel_pos_bias=False,
                layer_scale_init_value=0.),
            init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vqkd_encoder.pth')),
        tokenizer_stride=16,
        mean=127.5,
        std=127.5),
    head=dict(loss=dict(_delete_=True, type='mmsimmim.CrossEntropyReconstructionLoss')))
# Tokens cannot be drawn.
default_hooks = dict(
    _delete_=True, **{name: hook for name, hook in _base_.default_hooks.items() if name != 'reconstruction'})
