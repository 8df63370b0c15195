"""The size of an encoder: our name for it, what to write into a config for it, and how two differ."""

from collections.abc import Sequence
from typing import Any

from ..architectures import SWIN, SWIN_V2, VIT
from .contents import Contents

NAMED = {'swin': SWIN, 'swin_v2': SWIN_V2, 'vit': VIT}
CLASSES = {'swin': 'SwinTransformer', 'swin_v2': 'SwinTransformerV2', 'vit': 'VisionTransformer'}
# What a size is missing where it is not said.
DEFAULTS = {'swin_v2': dict(extra_norm_every_n_blocks=0)}


def size_of(encoder: str, embed_dims: int | None, depths: Sequence[int], num_heads: Sequence[int | None],
            feedforward_channels: int | None, extra_norm_every_n_blocks: int | None) -> dict[str, Any]:
    """The numbers of an encoder as ``arch`` of its class has them; what parameters do not tell is None."""
    if encoder == 'vit':
        return dict(embed_dims=embed_dims, num_layers=sum(depths), num_heads=next(iter(num_heads), None),
                    feedforward_channels=feedforward_channels)
    size = dict(embed_dims=embed_dims, depths=list(depths), num_heads=list(num_heads))
    return size if encoder == 'swin' else {**size, 'extra_norm_every_n_blocks': extra_norm_every_n_blocks}


def named_size(encoder: str, name: str) -> dict[str, Any]:
    """The numbers behind one of our names, defaults included."""
    return {**DEFAULTS.get(encoder, {}), **NAMED[encoder][name]}


def name_of(encoder: str, size: dict[str, Any]) -> str | None:
    """Our name of a size, if there is one."""
    return next((name for name in NAMED[encoder] if named_size(encoder, name) == size), None)


def size(contents: Contents) -> dict[str, Any]:
    """The numbers of what was recognised, see :func:`size_of`."""
    return size_of(contents.encoder, contents.embed_dims, contents.depths, contents.num_heads,
                   contents.feedforward_channels, contents.extra_norm_every_n_blocks)


def is_whole(contents: Contents) -> bool:
    """Whether the parameters tell all numbers, so that a config can be written."""
    values = [number for value in size(contents).values() for number in (value if isinstance(value, list) else [value])]
    return bool(contents.depths) and None not in values


def arch_setting(contents: Contents) -> str:
    """What to write into a config: ``arch='base'``, or ``arch=dict(...)`` where there is no name."""
    if contents.arch:
        return f'arch={contents.arch!r}'
    return f'arch=dict({", ".join(f"{key}={value!r}" for key, value in size(contents).items())})'


def beside_nearest(contents: Contents) -> str:
    """How a size without a name differs from the named one with the same channels and blocks; '' if there is none.

    Args:
        contents (Contents): What was recognised.

    Returns:
        str: Such as 'huge, but with heads 4-8-16-32 (huge: heads 8-16-32-64)'.
    """
    own, free = size(contents), ('num_heads', 'extra_norm_every_n_blocks')
    for name in NAMED[contents.encoder]:
        other = named_size(contents.encoder, name)
        if all(other[key] == own[key] for key in own if key not in free):
            changes = [f'{_text(key, own[key])} ({name}: {_text(key, other[key])})'
                       for key in own if own[key] != other[key]]
            return f'{name}, but with {", ".join(changes)}' if changes else ''
    return ''


def what_to_set(file: Contents, backbone: Contents) -> list[str]:
    """Arguments that a backbone needs for the encoder of a file, where it differs and the file tells them all.

    Args:
        file (Contents): What the file holds.
        backbone (Contents): What the backbone is.

    Returns:
        list[str]: Such as ["arch='huge'", 'in_channels=14']; empty if there is nothing to say.
    """
    if not is_whole(file):
        return []
    settings = []
    if file.encoder != backbone.encoder:
        settings.append(f"type='mmsimmim.{CLASSES[file.encoder]}'")
    if file.encoder != backbone.encoder or size(file) != size(backbone):
        settings.append(arch_setting(file))
    for name in ('in_channels', 'patch_size'):
        value = getattr(file, name)
        if value not in (None, getattr(backbone, name)):
            settings.append(f'{name}={value}')
    return settings


def extra_norms(number: int | None) -> str:
    """In words, what ``Contents.extra_norm_every_n_blocks`` says."""
    if number is None:
        return 'extra norms, but not after every n-th block'
    return f'an extra norm after every {number} blocks' if number else 'no extra norms'


def _text(key: str, value: Any) -> str:
    if key != 'num_heads':
        return extra_norms(value)
    heads = value if isinstance(value, list) else [value]
    return f'heads {"-".join("?" if number is None else str(number) for number in heads)}'
