"""What Swin and Swin V2 share: stages of blocks, each at half the resolution of the one before."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from ...layers import PatchEmbed, call_block, check_with_cp, replace_masked_tokens
from ..ranges import require_image_size, require_number, require_rates, require_whole
from .encoder import Encoder


class Stage(nn.Module):
    """The blocks at one resolution, and the merging that leads from or to it.

    Args:
        blocks (Sequence[nn.Module]): Each maps (B, H, W, C) to (B, H, W, C).
        downsample (nn.Module, optional): Merging, called by the encoder.
        with_cp (bool | str): What is recomputed in the backward pass, see :func:`mmsimmim.layers.call_block`.
        sequential (bool): Whether the blocks attend in one group of windows after another. Defaults to False.

    Raises:
        ValueError: If ``with_cp`` is unknown.
    """

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module | None, with_cp: bool | str,
                 sequential: bool = False) -> None:
        super().__init__()
        # 'cheap' would keep the products of all groups, which are recomputed nevertheless
        self.with_cp = bool(check_with_cp(with_cp)) if sequential else check_with_cp(with_cp)
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C), without the merging."""
        for block in self.blocks:
            x = call_block(block, self.with_cp, x)
        return x


class HierarchicalEncoder(Encoder):
    """Base of Swin and Swin V2, which fill ``stages`` and then call :meth:`_add_output_norms`.

    Args:
        embed_dims (int): Channels of the first stage; each next one has twice as many.
        depths (Sequence[int]): Blocks of each stage.
        patch_size (int): Side of a patch, pixels.
        in_channels (int): Channels of the images.
        out_indices (int | Sequence[int]): Stages whose normalised maps are returned.
        frozen_stages (int): The patch embedding and stages 0 to this one are not trained; -1 for none.
        init_cfg (dict, optional): MMEngine initialisation.

    Raises:
        ValueError: If ``out_indices`` or ``frozen_stages`` name no stage.
    """

    required_parts = ('patch_embed.', 'stages.')
    # Whether the merging between two stages has its name in the first of them, or in the second.
    merges_after_blocks: bool

    def __init__(self, embed_dims: int, depths: Sequence[int], patch_size: int, in_channels: int,
                 out_indices: int | Sequence[int], frozen_stages: int,
                 init_cfg: dict | None) -> None:
        require_whole(patch_size=patch_size)
        super().__init__(init_cfg)
        self.embed_dims = embed_dims
        self.depths = depths
        self.in_channels = in_channels
        self.out_indices = check_out_indices(out_indices, len(depths))
        self.frozen_stages = check_frozen_stages(frozen_stages, len(depths))
        self.patch_embed = PatchEmbed(in_channels, embed_dims, patch_size)
        self.stages = nn.ModuleList()

    def _add_output_norms(self) -> None:
        for i in self.out_indices:
            self.add_module(f'norm{i}', nn.LayerNorm(self.embed_dims * 2**i))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x (Tensor): Normalised images, shape (B, in_channels, H, W).
            mask (Tensor, optional): Shape (B, H / patch_size, W / patch_size), 1 = masked.

        Returns:
            tuple[Tensor]: For each of ``out_indices`` a map of shape (B, embed_dims * 2**i, H / s, W / s),
            s = patch_size * 2**i, sizes rounded up.

        Raises:
            ValueError: If the images have other channels, the mask is not on the grid of tokens, or there is no
                mask token.
        """
        self._require_channels(x)
        x = self.patch_embed(x)
        if mask is not None:
            x = replace_masked_tokens(x, mask, self._require_mask_token())
        outs = []
        for i, stage in enumerate(self.stages):
            if i > 0:
                x = self._merging_before(i)(x)
            x = stage(x)
            if i in self.out_indices:
                norm = getattr(self, f'norm{i}')
                outs.append(norm(x).permute(0, 3, 1, 2).contiguous())
        return tuple(outs)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning rates (``get_swin_layer`` in the official ``optimizer.py``).

        Args:
            param_name (str): Name of the parameter.
            prefix (str): Prefix of the backbone's own names. Defaults to ''.

        Returns:
            tuple[int, int]: Depth, 0 at the patch embedding, and the number of depths; a merging has that of the block
            before it; whatever is no block, embedding or merging has the last.
        """
        num_depths = sum(self.depths) + 2
        name = param_name[len(prefix):].split('.') if param_name.startswith(prefix) else ['']
        if name[0] in ('patch_embed', 'mask_token'):
            return 0, num_depths
        if name[0] == 'stages':
            stage = int(name[1])
            if name[2] == 'blocks':
                return sum(self.depths[:stage]) + int(name[3]) + 1, num_depths
            return sum(self.depths[:stage + self.merges_after_blocks]), num_depths
        return num_depths - 1, num_depths

    def _merging_before(self, i: int) -> nn.Module:
        return self.stages[i - 1 if self.merges_after_blocks else i].downsample

    def _frozen_modules(self) -> Iterator[nn.Module]:
        if self.frozen_stages < 0:
            return
        yield self.patch_embed
        yield from self.stages[:self.frozen_stages + 1]
        yield from (getattr(self, f'norm{i}') for i in self.out_indices if i <= self.frozen_stages)


class Architecture(NamedTuple):
    """Sizes of an encoder.

    Args:
        embed_dims (int): Channels of the first stage.
        depths (Sequence[int]): Blocks of each stage.
        num_heads (Sequence[int]): Heads of each stage.
        extra_norm_every_n_blocks (int): Swin V2: blocks of a stage after which one more norm follows; 0 for none.
    """

    embed_dims: int
    depths: Sequence[int]
    num_heads: Sequence[int]
    extra_norm_every_n_blocks: int = 0


def parse_arch(arch: str | dict, named: dict[str, dict], optional: Sequence[str] = ()) -> Architecture:
    """Read an architecture.

    Args:
        arch (str | dict): A key of ``named`` or its first letter, or a dict like one of its values.
        named (dict[str, dict]): ``embed_dims``, ``depths`` and ``num_heads`` of the published architectures; the first
            one that begins with a letter has it as a short name.
        optional (Sequence[str]): Other fields of :class:`Architecture` that a dict may have. Defaults to ().

    Returns:
        Architecture: Its sizes.

    Raises:
        ValueError: If the name is unknown, or the numbers do not fit together.
    """
    keys = ('embed_dims', 'depths', 'num_heads')
    if isinstance(arch, str):
        names = [name for name in named if arch.lower() in (name, name[0])]
        if not names:
            raise ValueError(f'arch {arch!r} is none of {list(named)}')
        arch = named[names[0]]
    if not isinstance(arch, dict) or not set(keys) <= set(arch) <= {*keys, *optional}:
        also = f', and can have {tuple(optional)}' if optional else ''
        got = tuple(arch) if isinstance(arch, dict) else repr(arch)
        raise ValueError(f'arch as a dict needs the keys {keys}{also}; got {got}')
    if not all(isinstance(arch[key], Sequence) for key in keys[1:]):
        raise ValueError(f"depths and num_heads of arch are lists, one number for each stage; got {arch['depths']!r} "
                         f"and {arch['num_heads']!r}")
    require_number(embed_dims=arch['embed_dims'])
    require_whole(**{key: arch[key] for key in keys})
    if len(arch['depths']) != len(arch['num_heads']):
        raise ValueError(f"arch has {len(arch['depths'])} depths but {len(arch['num_heads'])} num_heads")
    if any(arch['embed_dims'] * 2**stage % heads for stage, heads in enumerate(arch['num_heads'])):
        raise ValueError(f"num_heads {arch['num_heads']} must divide the channels of the stages, embed_dims "
                         f"{arch['embed_dims']} doubled from one to the next")
    return Architecture(**arch)


def check_out_indices(out_indices: int | Sequence[int], num_stages: int) -> tuple[int, ...]:
    """``out_indices`` as a tuple; ValueError if there are none, or no such stages."""
    indices = (out_indices, ) if isinstance(out_indices, int) else tuple(out_indices)
    if not indices or not all(i in range(num_stages) for i in indices):
        raise ValueError(f'out_indices {out_indices!r} must name stages, from 0 to {num_stages - 1}')
    return indices


def check_frozen_stages(frozen_stages: int, num_stages: int) -> int:
    """``frozen_stages`` itself; ValueError if there are fewer stages."""
    if frozen_stages not in range(-1, num_stages):
        raise ValueError(f'frozen_stages {frozen_stages!r} must lie between -1 and {num_stages - 1}')
    return frozen_stages


def check_sequential_stages(sequential_stages: Sequence[int], num_stages: int) -> set[int]:
    """``sequential_stages`` as a set; ValueError if they are not a sequence, or there are no such stages."""
    if not isinstance(sequential_stages, Sequence) or not all(i in range(num_stages) for i in sequential_stages):
        raise ValueError(f'sequential_stages {sequential_stages!r} must be a sequence of stages, from 0 to '
                         f'{num_stages - 1}, such as (0, 1)')
    return set(sequential_stages)


def per_stage(name: str, value: int | Sequence[int], num_stages: int) -> list[int]:
    """One value per stage; ValueError, which tells the argument's ``name``, if there are more or fewer."""
    values = [value] * num_stages if isinstance(value, int) else list(value)
    if len(values) != num_stages:
        raise ValueError(f'{name} {values} must be one int or have one per stage ({num_stages})')
    return values


def windows_and_shifts(window_size: int | Sequence[int], img_size: int | tuple[int, int] | None,
                       patch_size: int, num_stages: int) -> list[tuple[int, int]]:
    """(window, shift) of each stage; both shrink where a known map leaves no room for a shift."""
    require_whole(window_size=window_size)
    require_image_size(img_size)
    windows = per_stage('window_size', window_size, num_stages)
    if img_size is None:
        return [(window, window // 2) for window in windows]
    shorter_side = img_size if isinstance(img_size, int) else min(img_size)
    maps = [-(-shorter_side // (patch_size * 2**i)) for i in range(num_stages)]
    return [(window, window // 2) if size > window else (size, 0) for window, size in zip(windows, maps)]


def split_drop_path(drop_path_rate: float, depths: Sequence[int]) -> list[list[float]]:
    """Rates of each stage's blocks, growing linearly over all blocks from 0 to ``drop_path_rate``."""
    require_rates(drop_path_rate=drop_path_rate)
    rates = np.linspace(0, drop_path_rate, sum(depths))
    return [stage.tolist() for stage in np.split(rates, np.cumsum(depths)[:-1])]
