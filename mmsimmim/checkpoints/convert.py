"""Rename and lay out a state dict for another code base."""

from torch import Tensor

from .engine import read_form, require_form, write_form
from .key_maps import WRITTEN


def convert_state_dict(state_dict: dict[str, Tensor], to: str) -> dict[str, Tensor]:
    """Convert the parameters of an encoder, and what goes with it, to another code base.

    What the dict holds is recognised by its keys; see :func:`recognise`. Values are rearranged, never changed, so that
    there and back gives every bit again; gradients, which lie as their parameters do, convert the same way. Index
    buffers, coordinate tables and shift masks are left out.

    Args:
        state_dict (dict[str, Tensor]): Not changed.
        to (str): ``'mmsimmim'``, whose keys are mmpretrain's with ``backbone.``, or ``'official'``.

    Returns:
        dict[str, Tensor]: New dict. Tensors whose layout stays are shared with ``state_dict``.

    Raises:
        ValueError: If ``to`` is unknown, or has no place for what the dict holds.
        UnknownCheckpoint: (a ValueError) If the dict holds no encoder that we have, or keys that are no part of it.

    Examples:
        >>> import torch
        >>> from mmsimmim.checkpoints import convert_state_dict
        >>> official = {'encoder.patch_embed.proj.bias': torch.zeros(96)}
        >>> list(convert_state_dict(official, to='mmsimmim'))
        ['backbone.patch_embed.projection.bias']
    """
    if to not in WRITTEN:
        raise ValueError(f'to must be one of {list(WRITTEN)}, got {to!r}')
    form = require_form(state_dict)
    ours = read_form(state_dict, form)
    forms = [candidate for candidate in WRITTEN[to] if candidate.encoder == form.encoder]
    written = (write_form(ours, candidate) for candidate in forms)
    result = next((converted for converted in written if converted is not None), None)
    if result is None:
        raise ValueError(f'{to!r} has no place for what this {form.title} holds')
    return result
