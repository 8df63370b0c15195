"""Data."""

from .image_folder import ImageFolder
from .samplers import SeededInfiniteSampler, SeededSampler
from .transforms import LoadImage, SeedSample, SimMIMMaskGenerator

__all__ = ['ImageFolder', 'LoadImage', 'SeedSample', 'SeededInfiniteSampler', 'SeededSampler', 'SimMIMMaskGenerator']
