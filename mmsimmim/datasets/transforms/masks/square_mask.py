"""Masking one square region, as in inpainting."""

import math

import numpy as np

from ....registry import TRANSFORMS
from .mask_generator import MaskGenerator, require


@TRANSFORMS.register_module()
class SquareMaskGenerator(MaskGenerator):
    """Mask one region, as near a square as the count of masked patches allows (SimMIM, section 4.1, "square").

    A count that is a square gives a square: of 36 patches 4 (ratio 0.11) or 9 (0.25). Any other gives the largest
    rectangle whose sides differ by one at most, and the rest as part of a line along one of its sides: 18 of 36 patches
    (0.5) are 4 x 4 and 2 more. Where the grid is too narrow for that, the region fills its width and grows the other
    way.

    Args:
        input_size (int | tuple[int, int]): See :class:`MaskGenerator`, as the others. Defaults to 192.
        mask_patch_size (int): Side of a patch, pixels. Defaults to 32.
        model_patch_size (int): Side of a token of the model, pixels. Defaults to 4.
        mask_ratio (float): Share of the patches to mask, in (0, 1]; their count is rounded up. Defaults to 0.6.
        seed (int, optional): Gives each image the same mask always. Defaults to None.
        position (str): ``'random'``: every place as likely as any other, the partial line at a random side and end.
            ``'central'``: always the same mask, in the middle, or next to it where the patches left over cannot be
            halved. Defaults to 'random'.

    Raises:
        ValueError: If an argument is wrong.
    """

    def __init__(self,
                 input_size: int | tuple[int, int] = 192,
                 mask_patch_size: int = 32,
                 model_patch_size: int = 4,
                 mask_ratio: float = 0.6,
                 seed: int | None = None,
                 position: str = 'random') -> None:
        super().__init__(input_size, mask_patch_size, model_patch_size, mask_ratio, seed)
        require(position in ('random', 'central'), 'position', position, "'random' or 'central'")
        self.position = position
        self.regions = self._make_regions()

    def draw_cells(self, generator: np.random.RandomState) -> np.ndarray:
        """See :meth:`MaskGenerator.draw_cells`."""
        region = self.regions[0] if self.position == 'central' else self._draw_region(generator)
        spare = [side - taken for side, taken in zip(self.grid, region.shape)]
        if self.position == 'central':
            # Rounded up: a partial line is the last one and begins at its start, so most cells lie up and left.
            top, left = ((rest + 1) // 2 for rest in spare)
        else:
            top, left = (generator.randint(rest + 1) for rest in spare)
        cells = np.zeros(self.grid, dtype=np.uint8)
        cells[top:top + region.shape[0], left:left + region.shape[1]] = region
        return cells

    def _draw_region(self, generator: np.random.RandomState) -> np.ndarray:
        region = self.regions[generator.randint(len(self.regions))]
        return region[::generator.choice((1, -1)), ::generator.choice((1, -1))]

    def _make_regions(self) -> list[np.ndarray]:
        """The region with its lines as rows and as columns: both, or the better one where the grid is narrow."""
        rows, cols = self.grid
        candidates = [_stack_lines(self.mask_count, rows, cols), _stack_lines(self.mask_count, cols, rows).T]
        ranks = [_rank(region) for region in candidates]
        return [region for region, rank in zip(candidates, ranks) if rank == min(ranks)]

    def extra_repr(self) -> str:
        """The strategy's own argument."""
        return f', position={self.position!r}'


def _stack_lines(count: int, max_rows: int, max_cols: int) -> np.ndarray:
    """Exactly ``count`` cells as full rows of equal length and a part of one below: uint8, 0 only in the last row."""
    root = math.isqrt(count)
    nearest = root + (count > root * (root + 1))  # the square root, rounded
    length = min(max(nearest, -(-count // max_rows)), max_cols)
    region = np.zeros((-(-count // length), length), dtype=np.uint8)
    region.flat[:count] = 1
    return region


def _rank(region: np.ndarray) -> tuple[int, int]:
    """Low if the box around a region is nearly a square, and most of the region is a rectangle."""
    rows, cols = region.shape
    rectangle = max(int(region.all(axis=1).sum()) * cols, int(region.all(axis=0).sum()) * rows)
    return abs(rows - cols), -rectangle
