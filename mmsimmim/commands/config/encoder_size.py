"""Options that change the size of an encoder: numbers of a named ``arch``, and what must fit the encoder's maps.

``arch='base'`` becomes its numbers where an option sets one of them, such as ``model.backbone.arch.embed_dims=48``.
Necks and heads have the channels of the maps written out (``model.neck.in_channels=1024``). Where they fitted the
encoder of the config, they follow the one that options make of it, unless an option sets them. What cannot follow, as
maps of another number, is refused when the model is checked (:mod:`mmsimmim.commands.checks.encoder_outputs`) or built.
"""

import inspect
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from mmengine.config import Config

from ...checkpoints.sizes import CLASSES, NAMED
from ...registry import MODELS
from .options import value_at

ENCODERS = {f'mmsimmim.{name}': encoder for encoder, name in CLASSES.items()}
# What has an ``arch`` with names.
SIZES = {**ENCODERS, 'mmsimmim.SimMIMInverseSwinDecoder': 'swin'}
PARTS = ('neck', 'head', 'panoptic_head', 'decode_head', 'auxiliary_head')
# What necks and heads of the three frameworks call the channels of one map or several.
CHANNELS = ('in_channels', 'input_features', 'embed_dim', 'c1_in_channels')


class Maps(NamedTuple):
    """The maps of an encoder: channels of each, and pixels of the image per position of the last."""

    channels: list[int]
    stride: int


def spell_out_archs(cfg: Config, options: dict[str, Any]) -> dict[str, Any]:
    """Replace names of architectures by their numbers where options set some of these.

    Args:
        cfg (Config): Changed in place.
        options (dict): Values by full key.

    Returns:
        dict: The options without names that were replaced, such as ``model.backbone.arch='nano'`` beside
        ``model.backbone.arch.embed_dims=48``.
    """
    options = dict(options)
    for place in {key.rpartition('.arch.')[0] for key in options if '.arch.' in key}:
        part = value_at(cfg, place)
        kind = part.get('type') if isinstance(part, dict) else None
        kind = options.get(f'{place}.type', kind)
        if kind not in SIZES:
            continue
        named = NAMED[SIZES[kind]]
        arch = options.get(f'{place}.arch', part.get('arch', _default(kind, 'arch')))
        name = _whole_name(named, arch)
        if name is None:
            continue
        options.pop(f'{place}.arch', None)
        part['arch'] = deepcopy(named[name])
        if _keeps_ratio(part['arch'], f'{place}.arch', options):
            options[f'{place}.arch.feedforward_channels'] = 4 * options[f'{place}.arch.embed_dims']
    return options


def _keeps_ratio(arch: dict[str, Any], place: str, options: dict[str, Any]) -> bool:
    """Whether the inner width of a ViT's MLPs, four times the channels in all but one of the named, is to stay so."""
    width = options.get(f'{place}.embed_dims')
    return (arch.get('feedforward_channels') == 4 * arch['embed_dims'] and isinstance(width, int)
            and f'{place}.feedforward_channels' not in options)


def follow_encoder(before: Config, cfg: Config, options: dict[str, Any]) -> list[str]:
    """Let necks and heads that fitted the maps of the encoder fit those that it has with the options.

    Args:
        before (Config): As its files have it.
        cfg (Config): With the options merged; changed in place.
        options (dict): Values by full key; what they set stays.

    Returns:
        list[str]: Messages for the log on what was changed.
    """
    old, new = maps_of(value_at(before, 'model.backbone')), maps_of(value_at(cfg, 'model.backbone'))
    if old is None or new is None or old == new or len(old.channels) != len(new.channels):
        return []
    messages = []
    for place, part in _parts(cfg.model):
        for key, value in _followed(part, old, new).items():
            full = f'{place}.{key}'
            if part[key] != value and not any(given == full or given.startswith(f'{full}.') for given in options):
                messages.append(f'{full}: {part[key]} in the config, now {value}, to fit the encoder. Set it to keep '
                                'another value.')
                part[key] = value
    return messages


def maps_of(backbone: Any) -> Maps | None:
    """What an encoder of this package gives.

    Args:
        backbone (Any): Its settings in a config.

    Returns:
        Maps | None: None if it is no encoder of this package, or its settings are wrong, as building it will say.
    """
    kind = backbone.get('type') if isinstance(backbone, dict) else None
    if kind not in ENCODERS:
        return None
    named = NAMED[ENCODERS[kind]]
    arch, out_indices, patch_size = (backbone.get(key, _default(kind, key))
                                     for key in ('arch', 'out_indices', 'patch_size'))
    arch = named.get(_whole_name(named, arch)) if isinstance(arch, str) else arch
    indices = [out_indices] if isinstance(out_indices, int) else out_indices
    try:
        growth = [0 if ENCODERS[kind] == 'vit' else int(i) for i in indices]
        return Maps([arch['embed_dims'] * 2**i for i in growth], patch_size * 2**growth[-1])
    except (TypeError, KeyError, ValueError, IndexError):
        return None


def _default(kind: str, argument: str) -> Any:
    return inspect.signature(MODELS.get(kind)).parameters[argument].default


def _whole_name(named: dict[str, dict], arch: Any) -> str | None:
    """The whole name for a name or its short form: ``'deit-small'`` for ``'deit-s'``."""
    if not isinstance(arch, str):
        return None
    shorts = {name: '-'.join([*name.split('-')[:-1], name.split('-')[-1][0]]) for name in named}
    return next((name for name in named if arch.lower() in (name, shorts[name])), None)


def _parts(model: dict) -> Iterator[tuple[str, dict]]:
    """Places and settings of all that may take maps of the encoder."""
    for name in PARTS:
        part = model.get(name)
        if isinstance(part, dict):
            yield f'model.{name}', part
        elif isinstance(part, (list, tuple)):
            yield from ((f'model.{name}.{i}', one) for i, one in enumerate(part) if isinstance(one, dict))


def _followed(part: dict, old: Maps, new: Maps) -> dict[str, Any]:
    """New values of those settings that fit the old maps."""
    values = {key: _channels(part[key], part.get('in_index'), old.channels, new.channels)
              for key in CHANNELS if key in part}
    if part.get('encoder_stride') == old.stride:
        values['encoder_stride'] = new.stride
    return {key: value for key, value in values.items() if value is not None}


def _channels(value: Any, index: Any, old: Sequence[int], new: Sequence[int]) -> int | list[int] | None:
    """The channels of the same maps of the new encoder; None if the value does not fit the old one."""
    if isinstance(value, int):
        if isinstance(index, int) and -len(old) <= index < len(old) and old[index] == value:
            return new[index]
        return new[len(old) - 1 - old[::-1].index(value)] if value in old else None
    if not isinstance(value, (list, tuple)):
        return None
    chosen = range(len(old)) if index is None else index
    if not isinstance(chosen, (range, list, tuple)) or not all(-len(old) <= i < len(old) for i in chosen):
        return None
    return [new[i] for i in chosen] if [old[i] for i in chosen] == list(value) else None
