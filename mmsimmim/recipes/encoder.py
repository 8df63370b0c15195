"""What a recipe has to know of an encoder, from its sizes alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..architectures import FAMILIES
from ..errors import UserError
from .whole import is_whole

MLP_RATIO = 4
# Of the narrowest encoders whose rates the paper has, Swin-B and ViT-B; Swin V2 has the same rates.
PUBLISHED_WIDTH = {'swin': 128, 'swinv2': 128, 'vit': 768}


@dataclass(frozen=True)
class Encoder:
    """An encoder, as far as a recipe depends on it.

    Args:
        family (str): 'swin', 'swinv2' or 'vit'.
        patch_size (int): Side of a token of the first stage, pixels.
        stride (int): Side of a token of the last stage, pixels.
        width (int): Channels of the first stage.
        channels (int): Channels of the last stage.
        parameters (int): Weights, without those of positions and norms, to some per cent.
        wide_windows (bool): Whether its published windows are twice the side of the last map, as those of Swin-L and
            Swin V2 are.
    """

    family: str
    patch_size: int
    stride: int
    width: int
    channels: int
    parameters: int
    wide_windows: bool = False

    @classmethod
    def of(cls, family: str, arch: str | Mapping[str, Any], patch_size: int | None = None) -> 'Encoder':
        """The encoder of a backbone's ``arch``.

        Args:
            family (str): 'swin', 'swinv2' or 'vit'.
            arch (str | Mapping): A name of :mod:`mmsimmim.architectures`, or the sizes as there.
            patch_size (int, optional): Side of a token of the first stage, pixels. Defaults to None: 4, of ViT 16.

        Raises:
            UserError: There is no such family or architecture, or sizes are missing.

        Examples:
            >>> Encoder.of('swin', 'tiny').stride
            32
        """
        if family not in FAMILIES:
            raise UserError(f'There is no family of encoders {family!r}; there are {", ".join(FAMILIES)}.')
        sizes = arch if isinstance(arch, Mapping) else FAMILIES[family].get(arch)
        if sizes is None:
            raise UserError(f'There is no {family} {arch!r}; there are {", ".join(FAMILIES[family])}. Or give its '
                            'sizes.')
        _require_whole(family, sizes)
        try:
            return _vit(sizes, patch_size or 16) if family == 'vit' else _swin(family, arch, sizes, patch_size or 4)
        except KeyError as error:
            raise UserError(f'The sizes of {family} lack {error}: {dict(sizes)}.') from error

    @property
    def default_side(self) -> int:
        """Side of the crops, pixels, where images are large enough."""
        if self.parameters < 3e6:
            return 96
        if self.parameters < 10e6:
            return 128
        return 224 if self.family == 'vit' else 192

    @property
    def narrowness(self) -> float:
        """How many times narrower than Swin-B or ViT-B, the narrowest ones with a published rate; 1 of wider."""
        return max(1.0, PUBLISHED_WIDTH[self.family] / self.width)

    @property
    def drop_path_rate(self) -> float:
        """As published: none in Swin, 0.1 in ViT-B and in Swin V2; none in small encoders, which is our choice."""
        return 0.0 if self.family == 'swin' or self.parameters < 20e6 else 0.1

    def window_size(self, img_size: int) -> int | None:
        """The window for a size of images: what gives the last stage one window or, wide, two a side; None of a ViT."""
        if self.family == 'vit':
            return None
        window = max(1, img_size // self.stride) * (2 if self.wide_windows else 1)
        while window < 4:
            window *= 2
        return window


def _require_whole(family: str, sizes: Mapping[str, Any]) -> None:
    for name, value in sizes.items():
        numbers = value if isinstance(value, (list, tuple)) else [value]
        if name != 'extra_norm_every_n_blocks' and not all(is_whole(number) for number in numbers):
            raise UserError(f'{name} of a {family} must be whole numbers from 1 on, got {value!r}.')


def _swin(family: str, arch: str | Mapping[str, Any], sizes: Mapping[str, Any], patch_size: int) -> Encoder:
    width, depths = sizes['embed_dims'], sizes['depths']
    blocks = sum(depth * _block(width * 2**stage, MLP_RATIO * width * 2**stage) for stage, depth in enumerate(depths))
    merging = sum(8 * (width * 2**stage)**2 for stage in range(len(depths) - 1))
    wide = family == 'swinv2' or arch == 'large' or width >= 192
    return Encoder(family, patch_size, patch_size * 2**(len(depths) - 1), width, width * 2**(len(depths) - 1),
                   blocks + merging + 3 * patch_size**2 * width, wide)


def _vit(sizes: Mapping[str, Any], patch_size: int) -> Encoder:
    width = sizes['embed_dims']
    block = _block(width, sizes['feedforward_channels'])
    return Encoder('vit', patch_size, patch_size, width, width,
                   sizes['num_layers'] * block + 3 * patch_size**2 * width)


def _block(width: int, hidden: int) -> int:
    """Weights of a block: queries, keys, values and their projection, and the two layers behind them."""
    return 4 * width**2 + 2 * width * hidden
