"""What all masking strategies share: sizes, the exact count of masked patches, seeds."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from ...keyed_random import MASK, fold


class MaskGenerator(BaseTransform):
    """Mask a share of an image's patches; a subclass says which, in :meth:`draw_cells`.

    The masked patch and the patch of the model are independent: with 32 and 4 pixels, each masked patch covers 8 x 8
    tokens. Every mask has the same count of masked patches, the ratio rounded up (``mask_count`` of the official
    ``data/data_simmim.py``).

    **Required keys:** ``sample_id``, or else ``sample_idx``, if a seed is given.

    **Added keys:** ``mask``, uint8 array of shape (H / model_patch_size, W / model_patch_size), 1 = masked.

    Args:
        input_size (int | tuple[int, int]): Size of the images, pixels; one side or (H, W). Defaults to 192.
        mask_patch_size (int): Side of a masked patch, pixels. Defaults to 32.
        model_patch_size (int): Side of a token of the model, pixels. Defaults to 4.
        mask_ratio (float): Share of the patches to mask, in (0, 1]; their count is rounded up. Defaults to 0.6.
        seed (int, optional): Gives each image the same mask always: for validation. It is drawn from the seed and
            ``sample_id``, which :class:`ImageFolder` computes from the image's path below ``data_root``, so that
            neither new files nor another place of the folder change it; or from the image's index ``sample_idx`` in
            datasets that give no ``sample_id``. Defaults to None: drawn anew from NumPy's global generator, which
            MMEngine seeds.

    Attributes:
        grid (tuple[int, int]): Rows and columns of maskable patches.
        mask_count (int): How many of them every mask covers.

    Raises:
        ValueError: If an argument is of the wrong kind, sizes do not divide one another, or the ratio is outside
            (0, 1].
    """

    def __init__(self,
                 input_size: int | tuple[int, int] = 192,
                 mask_patch_size: int = 32,
                 model_patch_size: int = 4,
                 mask_ratio: float = 0.6,
                 seed: int | None = None) -> None:
        self.input_size = _pair(input_size)
        self.mask_patch_size = mask_patch_size
        self.model_patch_size = model_patch_size
        self.mask_ratio = mask_ratio
        self.seed = seed
        self._check()
        self.grid = tuple(side // mask_patch_size for side in self.input_size)
        self.mask_count = math.ceil(mask_ratio * math.prod(self.grid))

    def _check(self) -> None:
        for name in ('mask_patch_size', 'model_patch_size'):
            require(is_whole(getattr(self, name)), name, getattr(self, name), 'an integer, in pixels')
        require(is_number(self.mask_ratio), 'mask_ratio', self.mask_ratio, 'a number in (0, 1]')
        require(self.seed is None or is_whole(self.seed) and 0 <= self.seed < 2**32, 'seed', self.seed,
                'None or an integer from 0 to 2**32 - 1')
        if not 0 < self.mask_ratio <= 1:
            raise ValueError(f'mask_ratio must lie in (0, 1], got {self.mask_ratio}')
        if min(*self.input_size, self.mask_patch_size, self.model_patch_size) < 1:
            raise ValueError(f'sizes must be positive, got input_size {self.input_size}, mask_patch_size '
                             f'{self.mask_patch_size}, model_patch_size {self.model_patch_size}')
        if any(side % self.mask_patch_size for side in self.input_size):
            raise ValueError(f'input_size {self.input_size} must be a multiple of '
                             f'mask_patch_size {self.mask_patch_size}')
        if self.mask_patch_size % self.model_patch_size:
            raise ValueError(f'mask_patch_size {self.mask_patch_size} must be a multiple of '
                             f'model_patch_size {self.model_patch_size}')

    def transform(self, results: dict) -> dict:
        """Add a mask."""
        results['mask'] = self.draw(self._generator(results))
        return results

    def draw(self, generator: np.random.RandomState) -> np.ndarray:
        """Draw a mask.

        Args:
            generator (np.random.RandomState): Source of randomness, or the module ``np.random`` itself.

        Returns:
            np.ndarray: uint8, shape (H / model_patch_size, W / model_patch_size), 1 = masked.
        """
        return self._to_tokens(self.draw_cells(generator)[None])[0]

    def draw_batch(self, keys: Sequence[Sequence[int]]) -> np.ndarray:
        """Draw the masks of a batch, each a function of its own key.

        Args:
            keys (Sequence[Sequence[int]]): B keys, non-negative integers: (seed, epoch, index) of each sample.

        Returns:
            np.ndarray: uint8, shape (B, H / model_patch_size, W / model_patch_size), 1 = masked.
        """
        return self._to_tokens(self.draw_cells_of_batch(keys))

    def _to_tokens(self, cells: np.ndarray) -> np.ndarray:
        """(B, rows, columns) of patches to those of the model's tokens."""
        tokens = self.mask_patch_size // self.model_patch_size
        return cells.repeat(tokens, axis=1).repeat(tokens, axis=2)

    @abstractmethod
    def draw_cells(self, generator: np.random.RandomState) -> np.ndarray:
        """Choose the patches to mask.

        Args:
            generator (np.random.RandomState): Source of randomness, or the module ``np.random`` itself.

        Returns:
            np.ndarray: uint8, the shape of ``grid``, 1 = masked, exactly ``mask_count`` of them.
        """

    def draw_cells_of_batch(self, keys: Sequence[Sequence[int]]) -> np.ndarray:
        """Choose the patches to mask for each sample of a batch; strategies that can do it at once override this.

        Args:
            keys (Sequence[Sequence[int]]): B keys.

        Returns:
            np.ndarray: uint8, (B, rows, columns).
        """
        seeds = [divmod(fold(MASK, key), 2**32) for key in keys]
        return np.stack([self.draw_cells(np.random.RandomState(seed)) for seed in seeds])

    def _generator(self, results: dict) -> np.random.RandomState:
        if self.seed is None:
            return np.random
        if 'sample_id' in results:
            return np.random.RandomState([self.seed, *divmod(results['sample_id'], 2**32)])
        return np.random.RandomState([self.seed, results['sample_idx']])

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(input_size={self.input_size}, mask_patch_size={self.mask_patch_size}, '
                f'model_patch_size={self.model_patch_size}, mask_ratio={self.mask_ratio}, seed={self.seed}'
                f'{self.extra_repr()})')

    def extra_repr(self) -> str:
        """The strategy's own arguments, each as ``', name=value'``."""
        return ''


def require(holds: bool, name: str, value: Any, wanted: str) -> None:
    """Raise a ValueError about an argument unless a condition holds."""
    if not holds:
        raise ValueError(f'{name} must be {wanted}, got {value!r}')


def is_whole(value: Any) -> bool:
    """Whether a value is an integer; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _pair(size: Any) -> tuple[int, int]:
    sides = (size, size) if is_whole(size) else size
    require(isinstance(sides, (tuple, list)) and len(sides) == 2 and all(map(is_whole, sides)), 'input_size', size,
            'an integer or two, (height, width), in pixels')
    return tuple(sides)
