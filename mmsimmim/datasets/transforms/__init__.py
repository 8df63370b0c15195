"""Steps of the data pipelines."""

from .blockwise_mask import BlockwiseMaskGenerator
from .load_image import LoadImage, UnreadableImage
from .mask_generator import MaskGenerator
from .mask_strategies import MASK_STRATEGIES
from .random_mask import SimMIMMaskGenerator
from .seed_sample import SeedSample
from .square_mask import SquareMaskGenerator

__all__ = [
    'BlockwiseMaskGenerator', 'LoadImage', 'MASK_STRATEGIES', 'MaskGenerator', 'SeedSample', 'SimMIMMaskGenerator',
    'SquareMaskGenerator', 'UnreadableImage'
]
