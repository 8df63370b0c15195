"""Steps of the data pipelines."""

from .load_image import LoadImage, UnreadableImage
from .random_mask import SimMIMMaskGenerator
from .seed_sample import SeedSample

__all__ = ['LoadImage', 'SeedSample', 'SimMIMMaskGenerator', 'UnreadableImage']
