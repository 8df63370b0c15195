"""Rename and lay out a state dict for another code base."""

import re
from collections.abc import Iterable

from torch import Tensor

from .key_maps import OFFICIAL_SWIN, KeyMap


def convert_state_dict(state_dict: dict[str, Tensor], to: str) -> dict[str, Tensor]:
    """Convert a SimMIM pre-training state dict between microsoft/SimMIM and this package.

    Swin Transformer (V1) with the linear head. Values are rearranged, never changed, so that there and back gives
    every bit again; gradients, which lie as their parameters do, convert the same way.

    Args:
        state_dict (dict[str, Tensor]): Keys ``encoder.*`` and ``decoder.*``, or ``backbone.*`` and ``neck.*``; not
            changed. Index buffers and shift masks are left out.
        to (str): ``'mmsimmim'``, whose keys are mmpretrain's, or ``'official'``.

    Returns:
        dict[str, Tensor]: New dict in the order of ``state_dict``; a dict that is in the wanted form already comes
        back as a copy.

    Raises:
        ValueError: If ``to`` is unknown.
        KeyError: If no rule knows a key.

    Examples:
        >>> import torch
        >>> from mmsimmim.checkpoints import convert_state_dict
        >>> official = {'encoder.patch_embed.proj.bias': torch.zeros(96)}
        >>> list(convert_state_dict(official, to='mmsimmim'))
        ['backbone.patch_embed.projection.bias']
    """
    if to not in ('mmsimmim', 'official'):
        raise ValueError(f"to must be 'mmsimmim' or 'official', got {to!r}")
    learned = {key: value for key, value in state_dict.items() if _first_match(key, OFFICIAL_SWIN.buffers) is None}
    if all(_is_named_for(key, to, OFFICIAL_SWIN) for key in learned):
        return learned
    return _convert(learned, to, OFFICIAL_SWIN)


def _is_named_for(key: str, to: str, key_map: KeyMap) -> bool:
    templates = [rule.ours if to == 'mmsimmim' else rule.theirs for rule in key_map.rules]
    return _first_match(key, templates) is not None


def _convert(state_dict: dict[str, Tensor], to: str, key_map: KeyMap) -> dict[str, Tensor]:
    last = _last_stage(state_dict)
    converted, unknown = {}, []
    for key, tensor in state_dict.items():
        for rule in key_map.rules:
            source, target = (rule.theirs, rule.ours) if to == 'mmsimmim' else (rule.ours, rule.theirs)
            parts = _match(key, source, last)
            if parts is not None:
                layout = rule.layout.to_ours if to == 'mmsimmim' else rule.layout.to_theirs
                converted[target.format(last=last, **parts)] = layout(tensor)
                break
        else:
            unknown.append(key)
    if unknown:
        raise KeyError(f'{len(unknown)} of {len(state_dict)} keys are no part of a SimMIM Swin Transformer '
                       f'that can be converted to {to!r}: {", ".join(unknown[:5])}. Of a file, give the dictionary of '
                       "parameters inside: checkpoint['model'] or checkpoint['state_dict']")
    return converted


def _first_match(key: str, templates: Iterable[str]) -> dict[str, str] | None:
    return next((parts for parts in (_match(key, template) for template in templates) if parts is not None), None)


def _match(key: str, template: str, last: str = r'\d+') -> dict[str, str] | None:
    """Parts of a key that the names in a template stand for; None if the key does not fit."""
    pattern = re.escape(template).replace(r'\{', '{').replace(r'\}', '}').replace('{last}', last)
    pattern = re.sub(r'\{(\w+)\}', r'(?P<\1>[^.]+)', pattern)
    match = re.fullmatch(pattern, key)
    return match.groupdict() if match else None


def _last_stage(keys: Iterable[str]) -> str:
    """Number of the last stage that the keys name."""
    stages = re.findall(r'(?:layers|stages)\.(\d+)\.', '\n'.join(keys))
    return max(stages, key=int, default='3')
