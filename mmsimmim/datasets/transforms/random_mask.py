"""The paper's masking: patches drawn at random, each as likely as any other."""

import math

import numpy as np

from ...registry import TRANSFORMS
from .mask_generator import MaskGenerator


@TRANSFORMS.register_module()
class SimMIMMaskGenerator(MaskGenerator):
    """Mask patches at random, each as likely as any other (``MaskGenerator`` in the official ``data/data_simmim.py``).

    Arguments, keys and errors are those of :class:`MaskGenerator`. From one state of NumPy's generator it draws the
    same masks as mmpretrain's generator of this name.

    Examples:
        >>> SimMIMMaskGenerator(192, mask_patch_size=32, mask_ratio=0.6).draw(np.random).shape
        (48, 48)
    """

    def draw_cells(self, generator: np.random.RandomState) -> np.ndarray:
        """See :meth:`MaskGenerator.draw_cells`."""
        cells = np.zeros(math.prod(self.grid), dtype=np.uint8)
        cells[generator.permutation(cells.size)[:self.mask_count]] = 1
        return cells.reshape(self.grid)
