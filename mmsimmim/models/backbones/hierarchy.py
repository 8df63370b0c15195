"""What Swin and Swin V2 share: how their arguments lay out a hierarchy of stages."""

from collections.abc import Sequence

import numpy as np


def parse_arch(arch: str | dict, named: dict[str, dict]) -> tuple[int, list[int], list[int]]:
    """Read an architecture.

    Args:
        arch (str | dict): A key of ``named`` or its first letter, or a dict like one of its values.
        named (dict[str, dict]): ``embed_dims``, ``depths`` and ``num_heads`` of the published architectures.

    Returns:
        tuple[int, list[int], list[int]]: ``embed_dims``, ``depths`` and ``num_heads``.

    Raises:
        ValueError: If the name is unknown, or the numbers do not fit together.
    """
    keys = ('embed_dims', 'depths', 'num_heads')
    if isinstance(arch, str):
        names = [name for name in named if arch.lower() in (name, name[0])]
        if not names:
            raise ValueError(f'arch {arch!r} is none of {list(named)}')
        arch = named[names[0]]
    if set(arch) != set(keys):
        raise ValueError(f'arch as a dict needs the keys {keys}, got {tuple(arch)}')
    if len(arch['depths']) != len(arch['num_heads']):
        raise ValueError(f"arch has {len(arch['depths'])} depths but {len(arch['num_heads'])} num_heads")
    if any(arch['embed_dims'] * 2**stage % heads for stage, heads in enumerate(arch['num_heads'])):
        raise ValueError(f"num_heads {arch['num_heads']} must divide the channels of the stages, embed_dims "
                         f"{arch['embed_dims']} doubled from one to the next")
    return tuple(arch[key] for key in keys)


def check_out_indices(out_indices: Sequence[int], num_stages: int) -> tuple[int, ...]:
    """``out_indices`` as a tuple; ValueError if there are no such stages."""
    if not all(0 <= i < num_stages for i in out_indices):
        raise ValueError(f'out_indices {tuple(out_indices)} must lie between 0 and {num_stages - 1}')
    return tuple(out_indices)


def check_frozen_stages(frozen_stages: int, num_stages: int) -> int:
    """``frozen_stages`` itself; ValueError if there are not so many."""
    if not -1 <= frozen_stages < num_stages:
        raise ValueError(f'frozen_stages {frozen_stages} must lie between -1 and {num_stages - 1}')
    return frozen_stages


def windows_and_shifts(window_size: int | Sequence[int], img_size: int | tuple[int, int] | None,
                       patch_size: int, num_stages: int) -> list[tuple[int, int]]:
    """(window, shift) of each stage; both shrink where a known map leaves no room for a shift."""
    windows = [window_size] * num_stages if isinstance(window_size, int) else list(window_size)
    if len(windows) != num_stages:
        raise ValueError(f'window_size {windows} must be one int or have one per stage ({num_stages})')
    if img_size is None:
        return [(window, window // 2) for window in windows]
    shorter_side = img_size if isinstance(img_size, int) else min(img_size)
    maps = [-(-shorter_side // (patch_size * 2**i)) for i in range(num_stages)]
    return [(window, window // 2) if size > window else (size, 0) for window, size in zip(windows, maps)]


def split_drop_path(drop_path_rate: float, depths: Sequence[int]) -> list[list[float]]:
    """Rates of each stage's blocks, growing linearly over all blocks from 0 to ``drop_path_rate``."""
    rates = np.linspace(0, drop_path_rate, sum(depths))
    return [stage.tolist() for stage in np.split(rates, np.cumsum(depths)[:-1])]
