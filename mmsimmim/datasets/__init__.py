"""Data."""

from .image_folder import ImageFolder
from .labelled_image_folder import LabelledImageFolder
from .packed_image_folder import PackedImageFolder
from .samplers import SeededInfiniteSampler, SeededSampler
from .transforms import (
    MASK_STRATEGIES,
    BlockwiseMaskGenerator,
    LoadImage,
    MaskGenerator,
    SeedSample,
    SimMIMMaskGenerator,
    SquareMaskGenerator,
)

__all__ = [
    'BlockwiseMaskGenerator', 'ImageFolder', 'LabelledImageFolder', 'LoadImage', 'MASK_STRATEGIES', 'MaskGenerator',
    'PackedImageFolder', 'SeedSample', 'SeededInfiniteSampler', 'SeededSampler', 'SimMIMMaskGenerator',
    'SquareMaskGenerator'
]
