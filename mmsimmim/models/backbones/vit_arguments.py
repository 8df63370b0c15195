"""Parsing of the arguments of the vision transformer; unsupported values are refused."""

from collections.abc import Container, Sequence
from typing import Any, TypeVar

import numpy as np

from ...architectures import VIT
from ..ranges import require_number, require_rates, require_whole

T = TypeVar('T')
ARCH_KEYS = ('embed_dims', 'num_layers', 'num_heads', 'feedforward_channels')
LAYER_KEYS = ('feedforward_channels', 'layer_scale_init_value', 'drop_rate', 'attn_drop_rate', 'drop_path_rate', 'bias',
              'norm_cfg')


def parse_arch(arch: str | dict) -> tuple[int, int, int, int]:
    """``embed_dims``, ``num_layers``, ``num_heads`` and ``feedforward_channels`` of a name, short name or dict.

    Raises:
        ValueError: If the name is unknown, or the numbers do not fit together.
    """
    if isinstance(arch, str):
        names = [name for name in VIT if arch.lower() in (name, _short(name))]
        if not names:
            raise ValueError(f'arch {arch!r} is none of {list(VIT)}')
        arch = VIT[names[0]]
    if not isinstance(arch, dict) or set(arch) != set(ARCH_KEYS):
        got = tuple(arch) if isinstance(arch, dict) else repr(arch)
        raise ValueError(f'arch as a dict needs the keys {ARCH_KEYS}, got {got}')
    require_number(**arch)
    if arch['embed_dims'] % arch['num_heads']:
        raise ValueError(f"num_heads {arch['num_heads']} must divide embed_dims {arch['embed_dims']}")
    return tuple(arch[key] for key in ARCH_KEYS)


def check_out_indices(out_indices: int | Sequence[int], num_layers: int) -> tuple[int, ...]:
    """Numbers of blocks in ascending order, none below 0; ValueError if there are no such blocks, or one twice."""
    given = [out_indices] if isinstance(out_indices, int) else list(out_indices)
    if not given or not all(i in range(-num_layers, num_layers) for i in given):
        raise ValueError(f'out_indices {given} must name blocks between 0 and {num_layers - 1}, or from the end '
                         f'between -1 and {-num_layers}')
    indices = sorted({i % num_layers for i in given})
    if len(indices) < len(given):
        raise ValueError(f'out_indices {given} name a block of {num_layers} twice')
    return tuple(indices)


def check_windows(window_size: int, global_attn_indexes: Sequence[int], num_layers: int) -> list[int]:
    """Side of the windows of each block, 0 where it has none; ValueError if the two arguments do not go together."""
    if window_size != 0:
        require_whole(window_size=window_size)
    if global_attn_indexes and not window_size:
        raise ValueError(f'global_attn_indexes {tuple(global_attn_indexes)} name the blocks without windows, but '
                         'window_size is 0: no block has any')
    if not all(-num_layers <= i < num_layers for i in global_attn_indexes):
        raise ValueError(f'global_attn_indexes {tuple(global_attn_indexes)} must name blocks between 0 and '
                         f'{num_layers - 1}, or from the end between -1 and {-num_layers}')
    without = {i % num_layers for i in global_attn_indexes}
    return [0 if i in without else window_size for i in range(num_layers)]


def check_layer_cfgs(layer_cfgs: dict | Sequence[dict], num_layers: int) -> list[dict]:
    """One dict per block; ValueError if there are more or fewer, or unknown keys."""
    cfgs = [layer_cfgs] * num_layers if isinstance(layer_cfgs, dict) else list(layer_cfgs)
    if len(cfgs) != num_layers:
        raise ValueError(f'layer_cfgs has {len(cfgs)} dicts for {num_layers} blocks')
    for cfg in cfgs:
        _only(LAYER_KEYS, 'layer_cfgs', cfg)
    return cfgs


def parse_norm_cfg(norm_cfg: dict) -> float:
    """``eps`` of the norms, 1e-5 if it is not given, as in mmpretrain; ValueError if the norm is not 'LN'."""
    _only(('type', 'eps'), 'norm_cfg', norm_cfg)
    one_of('type of norm_cfg', norm_cfg.get('type'), ('LN', ))
    return norm_cfg.get('eps', 1e-5)


def parse_patch_cfg(patch_cfg: dict) -> str | int:
    """The ``padding``, ``'corner'`` or 0; ValueError if it asks for anything else."""
    _only(('padding', ), 'patch_cfg', patch_cfg)
    return one_of('padding of patch_cfg', patch_cfg.get('padding', 'corner'), ('corner', 0))


def parse_patch_size(patch_size: int | Sequence[int]) -> int:
    """Side of a patch; ValueError if it is no square."""
    require_whole(patch_size=patch_size)
    height, width = size_pair(patch_size)
    if height != width:
        raise ValueError(f'patch_size {patch_size} must be a square')
    return height


def size_pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(H, W) of one int for both or of two; ValueError if they are more or fewer."""
    require_whole(size=size)
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2:
        raise ValueError(f'a size is one int or two, got {size}')
    return pair


def drop_path_rates(drop_path_rate: float, num_layers: int) -> list[float]:
    """Rates of the blocks, growing linearly from 0; ValueError if the last is not below 1."""
    require_rates(drop_path_rate=drop_path_rate)
    return np.linspace(0, drop_path_rate, num_layers).tolist()


def check_frozen_stages(frozen_stages: int, num_layers: int) -> int:
    """``frozen_stages`` itself; ValueError if there are fewer blocks."""
    if frozen_stages not in range(-1, num_layers + 1):
        raise ValueError(f'frozen_stages {frozen_stages!r} must lie between -1 and the number of blocks, {num_layers}')
    return frozen_stages


def one_of(name: str, value: T, choices: Container[T]) -> T:
    """``value`` itself; ValueError, which tells the argument's ``name``, if it is none of the choices."""
    if value not in choices:
        raise ValueError(f'{name} {value!r} is none of {choices}')
    return value


def _only(known: Sequence[str], name: str, given: dict[str, Any]) -> None:
    unknown = [key for key in given if key not in known]
    if unknown:
        raise ValueError(f'{name} has {unknown[0]!r}, but it can have only {known}')


def _short(name: str) -> str:
    """``'deit-s'`` for ``'deit-small'``."""
    family, _, size = name.rpartition('-')
    return f'{family}-{size[0]}' if family else size[0]
