"""Data."""

from .image_folder import ImageFolder
from .labelled_image_folder import LabelledImageFolder
from .samplers import SeededInfiniteSampler, SeededSampler
from .transforms import LoadImage, SeedSample, SimMIMMaskGenerator

__all__ = [
    'ImageFolder', 'LabelledImageFolder', 'LoadImage', 'SeedSample', 'SeededInfiniteSampler', 'SeededSampler',
    'SimMIMMaskGenerator'
]
