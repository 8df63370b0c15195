"""A description of a checkpoint in words."""

import re
from collections.abc import Iterable

from torch import Tensor

from .contents import Contents
from .convert import SHARED_TABLE, convert_state_dict
from .engine import require_form, unread
from .sizes import extra_norms


def describe(contents: Contents) -> str:
    """Describe a state dict, and the size of the encoder as far as the parameters determine it.

    Args:
        contents (Contents): What :func:`~.recognise.recognise` found.

    Returns:
        str: Such as 'official SimMIM pre-training of Swin (base, 128 channels, blocks 2-2-18-2, heads 4-8-16-32,
        windows 6-6-6-6, patch 4)'.
    """
    facts = [
        contents.arch or 'own size',
        f'{contents.embed_dims} channels' if contents.embed_dims else '',
        f'blocks {join(contents.depths)}' if contents.depths else '',
        f'heads {join(contents.num_heads)}' if any(contents.num_heads) else '',
        extra_norms(contents.extra_norm_every_n_blocks) if contents.extra_norm_every_n_blocks != 0 else '',
        f'windows {join(contents.windows)}' if any(contents.windows) else '',
        f'patch {contents.patch_size}' if contents.patch_size else '',
        f'{contents.in_channels} image channels' if contents.in_channels not in (None, 3) else '',
    ]
    return f'{contents.title} ({", ".join(filter(None, facts))})'


def join(numbers: Iterable[int | None]) -> str:
    """Numbers of the stages, '?' where one is unknown."""
    return '-'.join('?' if number is None else str(number) for number in numbers)


def left_out(state_dict: dict[str, Tensor], converted: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    """Names that a conversion left out.

    Args:
        state_dict (dict[str, Tensor]): What was converted.
        converted (dict[str, Tensor]): What :func:`~.convert.convert_state_dict` made of it.

    Returns:
        tuple[list[str], list[str]]: Names that were not read (buffers, parts of other models), and names, as in
        mmsimmim, of parameters that the other code base has no place for.
    """
    before, after = _our_names(state_dict), _our_names(converted)
    # Without it, each block has its own.
    without_place = [name for name in before if name not in after and name != SHARED_TABLE]
    return unread(state_dict, require_form(state_dict)), without_place


def incomplete_blocks(state_dict: dict[str, Tensor]) -> list[str]:
    """Parameters that some blocks of a stage have and others lack, as in an incomplete file.

    Args:
        state_dict (dict[str, Tensor]): Of any code base that converts.

    Returns:
        list[str]: Those that are missing, names as in mmsimmim. The norms that Swin V2 has on some blocks only do not
        count.
    """
    stages = {}
    for name in _our_names(state_dict):
        found = re.match(r'(backbone\.(?:stages\.\d+\.blocks|layers)\.)(\d+)\.(?!norm3\.)(.+)', name)
        if found:
            stages.setdefault(found[1], {}).setdefault(int(found[2]), {})[found[3]] = None
    return [f'{stage}{block}.{name}' for stage, blocks in stages.items() for block in range(max(blocks) + 1)
            for name in {name: None for names in blocks.values() for name in names}
            if name not in blocks.get(block, ())]


def _our_names(state_dict: dict[str, Tensor]) -> list[str]:
    return list(convert_state_dict({name: tensor.to('meta') for name, tensor in state_dict.items()}, to='mmsimmim'))
