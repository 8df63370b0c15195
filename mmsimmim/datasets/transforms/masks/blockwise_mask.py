"""BEiT's masking: rectangles of varied size and shape, laid over one another."""

import math
from typing import Any

import numpy as np

from ....registry import TRANSFORMS
from .mask_generator import MaskGenerator, is_number, is_whole, require

# BEiT's smallest block: 16 of the 14 x 14 patches of an image.
MIN_SHARE = 16 / 196
# Draws of one block before giving up, as in BEiT's official code.
TRIES = 10


@TRANSFORMS.register_module()
class BlockwiseMaskGenerator(MaskGenerator):
    """Mask blocks of patches (BEiT, algorithm 1; SimMIM, section 4.1, "block-wise").

    Blocks are laid on the grid of masked patches until the count is reached. The area of a block is uniform between
    the least and what is still to be masked, its aspect ratio (height / width) log-uniform, its place uniform over all
    where it fits. A block that would mask too many patches or no new one is drawn again, ten times at most. If all ten
    fail, which happens near the end of a mask or on a narrow grid, the rest is taken at random from the patches next to
    masked ones. So the count is exact, and every mask is finished, whatever the ratio and the grid.

    Args:
        input_size (int | tuple[int, int]): See :class:`MaskGenerator`, as the others. Defaults to 192.
        mask_patch_size (int): Side of a patch, pixels. Defaults to 32.
        model_patch_size (int): Side of a token of the model, pixels. Defaults to 4.
        mask_ratio (float): Share of the patches to mask, in (0, 1]; their count is rounded up. Defaults to 0.6.
        seed (int, optional): Gives each image the same mask always. Defaults to None.
        min_num_patches (int, optional): Least area of a block, patches; where less is left to mask, that. Defaults to
            None: BEiT's share of the grid, 16 in 196, rounded, but at least 1, and not above ``max_num_patches``.
        max_num_patches (int, optional): Largest area of a block, patches. Defaults to None: what is left to mask.
        min_aspect (float): Least height / width of a block, above 0. Defaults to 0.3.
        max_aspect (float, optional): Largest height / width. Defaults to None: 1 / ``min_aspect``.

    Raises:
        ValueError: If an argument is wrong.

    Examples:
        >>> BlockwiseMaskGenerator(192, mask_patch_size=16, mask_ratio=0.4).draw_cells(np.random).sum()
        58
    """

    def __init__(self,
                 input_size: int | tuple[int, int] = 192,
                 mask_patch_size: int = 32,
                 model_patch_size: int = 4,
                 mask_ratio: float = 0.6,
                 seed: int | None = None,
                 min_num_patches: int | None = None,
                 max_num_patches: int | None = None,
                 min_aspect: float = 0.3,
                 max_aspect: float | None = None) -> None:
        super().__init__(input_size, mask_patch_size, model_patch_size, mask_ratio, seed)
        self.min_num_patches = min_num_patches
        self.max_num_patches = max_num_patches
        self.min_aspect = min_aspect
        self.max_aspect = max_aspect
        self._check_blocks()
        self.area_range = self._make_area_range()
        self.log_aspect_range = (math.log(min_aspect),
                                 -math.log(min_aspect) if max_aspect is None else math.log(max_aspect))

    def _check_blocks(self) -> None:
        for name in ('min_num_patches', 'max_num_patches'):
            value = getattr(self, name)
            require(value is None or is_whole(value) and value > 0, name, value, 'None or an integer above 0')
        if None not in (self.min_num_patches, self.max_num_patches) and self.min_num_patches > self.max_num_patches:
            raise ValueError(f'min_num_patches {self.min_num_patches} must not be above max_num_patches '
                             f'{self.max_num_patches}')
        require(_is_aspect(self.min_aspect), 'min_aspect', self.min_aspect, 'a number above 0, height / width')
        require(self.max_aspect is None or _is_aspect(self.max_aspect), 'max_aspect', self.max_aspect,
                'None or a number above 0, height / width')
        if self.min_aspect > (1 / self.min_aspect if self.max_aspect is None else self.max_aspect):
            raise ValueError(f'min_aspect {self.min_aspect} must not be above max_aspect, '
                             f'{"1 / min_aspect" if self.max_aspect is None else self.max_aspect}')

    def _make_area_range(self) -> tuple[int, int]:
        """Least and largest area of a block, patches."""
        largest = self.max_num_patches or self.mask_count
        least = self.min_num_patches or max(1, round(MIN_SHARE * math.prod(self.grid)))
        return min(least, largest), largest

    def draw_cells(self, generator: np.random.RandomState) -> np.ndarray:
        """See :meth:`MaskGenerator.draw_cells`."""
        cells = np.zeros(self.grid, dtype=np.uint8)
        while (left := self.mask_count - int(cells.sum())) > 0:
            block = self.draw_block(cells, left, generator)
            if block is None:
                return _grow(cells, left, generator)
            cells[block] = 1
        return cells

    def draw_block(self, cells: np.ndarray, left: int,
                   generator: np.random.RandomState) -> tuple[slice, slice] | None:
        """Draw the next block.

        Args:
            cells (np.ndarray): What is masked so far: uint8, the shape of ``grid``, 1 = masked.
            left (int): How many more to mask, at least 1.
            generator (np.random.RandomState): Source of randomness.

        Returns:
            tuple[slice, slice] | None: Rows and columns of a block that masks 1 to ``left`` new patches; None if
            :data:`TRIES` draws gave none.
        """
        for _ in range(TRIES):
            height, width = self._draw_shape(left, generator)
            if height > self.grid[0] or width > self.grid[1]:
                continue
            top = generator.randint(self.grid[0] - height + 1)
            start = generator.randint(self.grid[1] - width + 1)
            block = slice(top, top + height), slice(start, start + width)
            if 0 < height * width - int(cells[block].sum()) <= left:
                return block
        return None

    def _draw_shape(self, left: int, generator: np.random.RandomState) -> tuple[int, int]:
        least, largest = self.area_range
        area = generator.uniform(min(least, left), min(largest, left))
        stretch = math.exp(generator.uniform(*self.log_aspect_range) / 2)
        return max(1, round(math.sqrt(area) * stretch)), max(1, round(math.sqrt(area) / stretch))

    def extra_repr(self) -> str:
        """The strategy's own arguments."""
        return (f', min_num_patches={self.min_num_patches}, max_num_patches={self.max_num_patches}, '
                f'min_aspect={self.min_aspect}, max_aspect={self.max_aspect}')


def _is_aspect(value: Any) -> bool:
    return is_number(value) and 0 < value < math.inf


def _grow(cells: np.ndarray, left: int, generator: np.random.RandomState) -> np.ndarray:
    """Mask ``left`` more cells at random, next to masked ones; the first one anywhere if none is masked."""
    cells = cells.copy()
    if not cells.any():
        cells.flat[generator.randint(cells.size)] = 1
        left -= 1
    while left > 0:
        border = np.flatnonzero(_neighbours(cells) & (cells == 0))
        chosen = border[generator.permutation(border.size)[:left]]
        cells.flat[chosen] = 1
        left -= chosen.size
    return cells


def _neighbours(cells: np.ndarray) -> np.ndarray:
    """Whether a cell has a masked one above, below, left or right of it: bool, the same shape."""
    padded = np.pad(cells, 1)
    return (padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]).astype(bool)
