"""Rename and lay out a state dict for another code base."""

import math
import re

from torch import Tensor

from ..errors import UserError
from ..layers import relative_position_index
from .engine import read_form, require_form, without_place_in, write_form
from .key_maps import WRITTEN, Form
from .sizes import CLASSES

TABLE = 'relative_position_bias_table'
SHARED_TABLE = 'backbone.rel_pos_bias.' + TABLE
# Code bases whose Swin needs index buffers, and their name: mmpretrain's deletes them after it has resized a table, and
# fails where there are none; transformers before 5 keeps them in files, and does not recreate them.
INDEX_BUFFERS = {'mmpretrain': '.w_msa.' + TABLE, 'hf': '.attention.self.' + TABLE}


def convert_state_dict(state_dict: dict[str, Tensor], to: str) -> dict[str, Tensor]:
    """Convert the parameters of an encoder, and the decoder or classifier on it, to another code base.

    What the dict holds is recognised by its keys (:func:`recognise`): Swin, Swin V2 and the ViT of SimMIM, which is
    BEiT's, of microsoft/SimMIM, microsoft/Swin-Transformer, OpenMMLab, timm and Hugging Face. Values are permuted,
    never changed, so that converting back restores every bit; gradients convert like their
    parameters. Buffers that are not learned (indices, coordinate tables, shift masks) are left out, as are a detector's
    or segmentor's other parts.

    Args:
        state_dict (dict[str, Tensor]): Parameters, all of them or some; not changed.
        to (str): The code base whose names and layout are wanted:

            - ``'mmsimmim'``: a whole model of ours: ``backbone.*`` with ``neck.decoder.0.*`` (pre-training) or
              ``head.fc.*`` (classifier).
            - ``'mmpretrain'``: the same for mmpretrain, with the index buffers of its Swin.
            - ``'backbone'``: the encoder alone, names without a prefix, without mask token.
            - ``'mmdet'``, ``'mmseg'``: the encoder alone as their ``init_cfg`` reads it: Swin with ``backbone.``, which
              MMDetection requires; for mmseg's BEiT without.
            - ``'official'``: ``encoder.*`` and ``decoder.*``; with a classifier no prefix and ``head.*``; an encoder
              with norms on several stages as in the official detectors.
            - ``'timm'``: SwinTransformer, SwinTransformerV2, Beit; without mask token and decoder.
            - ``'hf'``: what ``from_pretrained`` reads from a file: Swin(v2)ForMaskedImageModeling if there is a
              decoder, Swin(v2)ForImageClassification if there is a classifier, else Swin(v2)Model, or SwinBackbone
              if there are norms on several stages. The ViT as BeitForImageClassification or BeitModel, without
              decoder; set ``layer_norm_eps=1e-6`` in the config. Its Swin has one window for all stages, and index
              buffers.

            A ViT's shared table of position biases becomes one per block for ``'backbone'`` and ``'mmseg'``, whose
            BEiT has no other (``use_rel_pos_bias=True, use_shared_rel_pos_bias=False`` in ours); on the way back it
            stays so.

    Returns:
        dict[str, Tensor]: New dict. Tensors whose layout stays, and parts of a tensor, share memory with
        ``state_dict``.

    Raises:
        ValueError: If ``to`` is unknown.
        UserError: (a ValueError) If ``to`` has no such encoder, or no place for some parameter.
        UnknownCheckpoint: (a UserError) If the dict holds no supported encoder, or unknown keys.

    Examples:
        >>> import torch
        >>> from mmsimmim.checkpoints import convert_state_dict
        >>> official = {'encoder.patch_embed.proj.bias': torch.zeros(96)}
        >>> list(convert_state_dict(official, to='mmsimmim'))
        ['backbone.patch_embed.projection.bias']
    """
    if to not in WRITTEN:
        raise ValueError(f'to must be one of {", ".join(map(repr, WRITTEN))}, got {to!r}')
    source = require_form(state_dict)
    ours = read_form(state_dict, source)
    if to in ('backbone', 'mmseg'):
        ours = _table_per_block(ours)
    if to == 'hf':
        _require_one_window(ours)
    converted = write_form(ours, _target_form(ours, source, to))
    return {**converted, **_index_buffers(converted, INDEX_BUFFERS[to])} if to in INDEX_BUFFERS else converted


def _target_form(ours: dict[str, Tensor], source: Form, to: str) -> Form:
    forms = [form for form in WRITTEN[to] if form.encoder == source.encoder]
    if not forms:
        raise UserError(f"this is: {source.title}; {to} has no such encoder. Convert to 'backbone', and use "
                        f'mmsimmim.{CLASSES[source.encoder]} as the backbone there')
    without_place = {form: without_place_in(ours, form) for form in forms}
    best = min(forms, key=lambda form: len(without_place[form]))
    if without_place[best]:
        names = without_place[best]
        raise UserError(f'this is: {source.title}; {best.title} has no place for {len(names)} of its parameters, such '
                        f"as {names[0]} (our name). Convert to 'mmsimmim' or 'mmpretrain', which have")
    return best


def _require_one_window(ours: dict[str, Tensor]) -> None:
    tables = {key: tensor.shape[0] for key, tensor in ours.items() if key.endswith('.w_msa.' + TABLE)}
    if len(set(tables.values())) > 1:
        raise UserError("the stages of this Swin have different windows, and Hugging Face's has one for all. Convert "
                        "to 'timm', and build it with the img_size of the training")


def _table_per_block(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy of a shared table for each block, in place of the shared one."""
    if SHARED_TABLE not in ours:
        return ours
    blocks = {int(found[1]) for found in map(re.compile(r'backbone\.layers\.(\d+)\.').match, ours) if found}
    tables = {f'backbone.layers.{block}.attn.{TABLE}': ours[SHARED_TABLE].clone()
              for block in sorted(blocks)}
    return {**{key: tensor for key, tensor in ours.items() if key != SHARED_TABLE}, **tables}


def _index_buffers(converted: dict[str, Tensor], ending: str) -> dict[str, Tensor]:
    tables = {key: tensor for key, tensor in converted.items() if key.endswith(ending)}
    windows = {key: (math.isqrt(tensor.shape[0]) + 1) // 2 for key, tensor in tables.items()}
    return {key.replace('bias_table', 'index'): relative_position_index(window, window)
            for key, window in windows.items()}
