"""Arguments of the Swin encoders of mmpretrain, mmdet and mmsegmentation that those of this package do not have."""

from typing import Any

SIZES = 'say it in arch=dict(embed_dims=..., depths=..., num_heads=...)'
FILE = "leave it out, and give the file in init_cfg=dict(type='Pretrained', checkpoint=...)"
INSTEAD = dict(
    pad_small_map='leave it out, and with pad_small_map=True leave out img_size, too: windows are then padded on small '
                  'maps, where with img_size they shrink, which is another network',
    stage_cfgs='leave it out, and give window_size=..., what its block_cfgs say',
    embed_dims=SIZES,
    depths=SIZES,
    num_heads=SIZES,
    pretrain_img_size='leave it out; it is for absolute positions',
    pretrained=FILE,
    convert_weights=FILE)
# Only their default is supported here.
DEFAULTS = ('mlp_ratio', 'qkv_bias', 'qk_scale', 'patch_norm', 'drop_rate', 'attn_drop_rate', 'use_abs_pos_embed',
            'act_cfg', 'norm_cfg', 'norm_eval', 'strides', 'out_after_downsample', 'interpolate_mode', 'patch_cfg')
INSTEAD |= dict.fromkeys(DEFAULTS, 'leave it out; only its default is to be had here')


def refuse_foreign_arguments(encoder: str, arguments: dict[str, Any]) -> None:
    """Raise a TypeError, which says what to set instead, if there are any.

    Args:
        encoder (str): Name of the encoder's class.
        arguments (dict[str, Any]): Those that it does not have.
    """
    for name, value in arguments.items():
        advice = INSTEAD.get(name, 'check the spelling')
        raise TypeError(f'{encoder} has no argument {name!r} (given: {name}={value!r}): {advice}. What the others take '
                        'is compared in docs/migrating.md.')
