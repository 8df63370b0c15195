"""Datasets, samplers and transforms."""

from .image_folder import ImageFolder
from .imagenet import ImageNetReaL, ImageNetVariant
from .inaturalist import INaturalist
from .labelled_image_folder import LabelledImageFolder
from .masked_batch import MaskedBatch, collate_masked
from .packed.image_folder import PackedImageFolder
from .samplers import SeededInfiniteSampler, SeededSampler
from .transforms import (
    MASK_STRATEGIES,
    BlockwiseMaskGenerator,
    LoadImage,
    LoadRandomResizedCrop,
    MaskGenerator,
    PackImage,
    SeedSample,
    SimMIMMaskGenerator,
    SquareMaskGenerator,
)

__all__ = [
    'BlockwiseMaskGenerator', 'INaturalist', 'ImageFolder', 'ImageNetReaL', 'ImageNetVariant', 'LabelledImageFolder',
    'LoadImage', 'LoadRandomResizedCrop', 'MASK_STRATEGIES', 'MaskGenerator', 'MaskedBatch', 'PackImage',
    'PackedImageFolder', 'SeedSample', 'SeededInfiniteSampler', 'SeededSampler', 'SimMIMMaskGenerator',
    'SquareMaskGenerator', 'collate_masked'
]
