"""How other code bases name and lay out the parameters that we have: tables of rules that run both ways.

In a template ``{name}`` stands for one part of a key between dots, the same on both sides, and ``{last}`` for the
number of the last stage.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor


class Layout(NamedTuple):
    """A tensor's change of layout, and the way back."""

    to_ours: Callable[[Tensor], Tensor]
    to_theirs: Callable[[Tensor], Tensor]


class Rule(NamedTuple):
    """One line of a key map."""

    theirs: str
    ours: str
    layout: Layout = Layout(lambda tensor: tensor, lambda tensor: tensor)


class KeyMap(NamedTuple):
    """A code base's names.

    Args:
        rules (Sequence[Rule]): Tried in order; the first that fits a key converts it.
        buffers (Sequence[str]): Templates of keys, theirs or mmpretrain's, that hold nothing learned; none is written.
    """

    rules: Sequence[Rule]
    buffers: Sequence[str]


def _merging_to_ours(tensor: Tensor) -> Tensor:
    """Last axis from four tokens one after another (column by column) to channels of interleaved tokens (by row)."""
    return tensor.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :].transpose(-1, -2).flatten(-2)


def _merging_to_official(tensor: Tensor) -> Tensor:
    return tensor.unflatten(-1, (-1, 4)).transpose(-1, -2)[..., [0, 2, 1, 3], :].flatten(-2)


MERGING = Layout(_merging_to_ours, _merging_to_official)

# microsoft/SimMIM models/simmim.py and models/swin_transformer.py
OFFICIAL_SWIN = KeyMap(
    rules=[
        Rule('encoder.mask_token', 'backbone.mask_token'),
        Rule('encoder.patch_embed.proj.{param}', 'backbone.patch_embed.projection.{param}'),
        Rule('encoder.patch_embed.norm.{param}', 'backbone.patch_embed.norm.{param}'),
        Rule('encoder.layers.{stage}.blocks.{block}.norm1.{param}',
             'backbone.stages.{stage}.blocks.{block}.norm1.{param}'),
        Rule('encoder.layers.{stage}.blocks.{block}.attn.relative_position_bias_table',
             'backbone.stages.{stage}.blocks.{block}.attn.w_msa.relative_position_bias_table'),
        Rule('encoder.layers.{stage}.blocks.{block}.attn.{linear}.{param}',
             'backbone.stages.{stage}.blocks.{block}.attn.w_msa.{linear}.{param}'),
        Rule('encoder.layers.{stage}.blocks.{block}.norm2.{param}',
             'backbone.stages.{stage}.blocks.{block}.norm2.{param}'),
        Rule('encoder.layers.{stage}.blocks.{block}.mlp.fc1.{param}',
             'backbone.stages.{stage}.blocks.{block}.ffn.layers.0.0.{param}'),
        Rule('encoder.layers.{stage}.blocks.{block}.mlp.fc2.{param}',
             'backbone.stages.{stage}.blocks.{block}.ffn.layers.1.{param}'),
        Rule('encoder.layers.{stage}.downsample.norm.{param}',
             'backbone.stages.{stage}.downsample.norm.{param}', MERGING),
        Rule('encoder.layers.{stage}.downsample.reduction.weight',
             'backbone.stages.{stage}.downsample.reduction.weight', MERGING),
        Rule('encoder.norm.{param}', 'backbone.norm{last}.{param}'),
        Rule('decoder.0.{param}', 'neck.decoder.0.{param}'),
    ],
    buffers=[
        'encoder.layers.{stage}.blocks.{block}.attn_mask',
        'encoder.layers.{stage}.blocks.{block}.attn.relative_position_index',
        'backbone.stages.{stage}.blocks.{block}.attn.w_msa.relative_position_index',
    ])
