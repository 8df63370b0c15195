"""Transforms of the data pipelines."""

from .loading import LoadImage, LoadRandomResizedCrop, UnreadableImage
from .masks import (
    MASK_STRATEGIES,
    BlockwiseMaskGenerator,
    MaskGenerator,
    SimMIMMaskGenerator,
    SquareMaskGenerator,
)
from .pack_image import PackImage
from .seed_sample import SeedSample

__all__ = [
    'BlockwiseMaskGenerator', 'LoadImage', 'LoadRandomResizedCrop', 'MASK_STRATEGIES', 'MaskGenerator', 'PackImage',
    'SeedSample', 'SimMIMMaskGenerator', 'SquareMaskGenerator', 'UnreadableImage'
]
