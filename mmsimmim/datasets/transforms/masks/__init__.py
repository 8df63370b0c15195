"""Strategies of masking, a file for each."""

from .blockwise_mask import BlockwiseMaskGenerator
from .mask_generator import MaskGenerator
from .mask_strategies import MASK_STRATEGIES
from .random_mask import SimMIMMaskGenerator
from .square_mask import SquareMaskGenerator

__all__ = ['BlockwiseMaskGenerator', 'MASK_STRATEGIES', 'MaskGenerator', 'SimMIMMaskGenerator', 'SquareMaskGenerator']
