"""The paper's masking: patches drawn at random, each as likely as any other."""

import math
from collections.abc import Sequence

import numpy as np

from ....registry import TRANSFORMS
from ...keyed_random import MASK, draw_table
from .mask_generator import MaskGenerator


@TRANSFORMS.register_module()
class SimMIMMaskGenerator(MaskGenerator):
    """Mask patches at random, each as likely as any other (``MaskGenerator`` in the official ``data/data_simmim.py``).

    Arguments, keys and errors are those of :class:`MaskGenerator`. From one state of NumPy's generator it draws the
    same masks as mmpretrain's generator of this name. :meth:`draw_batch` draws those of a batch without a loop.

    Examples:
        >>> SimMIMMaskGenerator(192, mask_patch_size=32, mask_ratio=0.6).draw(np.random).shape
        (48, 48)
    """

    def draw_cells(self, generator: np.random.RandomState) -> np.ndarray:
        """See :meth:`MaskGenerator.draw_cells`."""
        cells = np.zeros(math.prod(self.grid), dtype=np.uint8)
        cells[generator.permutation(cells.size)[:self.mask_count]] = 1
        return cells.reshape(self.grid)

    def draw_cells_of_batch(self, keys: Sequence[Sequence[int]]) -> np.ndarray:
        """See :meth:`MaskGenerator.draw_cells_of_batch`: those patches whose random numbers are the lowest."""
        numbers = draw_table(MASK, keys, math.prod(self.grid))
        chosen = np.argpartition(numbers, self.mask_count - 1, axis=1)[:, :self.mask_count]
        cells = np.zeros(numbers.shape, dtype=np.uint8)
        np.put_along_axis(cells, chosen, 1, axis=1)
        return cells.reshape(-1, *self.grid)
