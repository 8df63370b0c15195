"""Steps of the data pipelines."""

from .blockwise_mask import BlockwiseMaskGenerator
from .load_image import LoadImage, UnreadableImage
from .load_random_resized_crop import LoadRandomResizedCrop
from .mask_generator import MaskGenerator
from .mask_strategies import MASK_STRATEGIES
from .pack_image import PackImage
from .random_mask import SimMIMMaskGenerator
from .seed_sample import SeedSample
from .square_mask import SquareMaskGenerator

__all__ = [
    'BlockwiseMaskGenerator', 'LoadImage', 'LoadRandomResizedCrop', 'MASK_STRATEGIES', 'MaskGenerator', 'PackImage',
    'SeedSample', 'SimMIMMaskGenerator', 'SquareMaskGenerator', 'UnreadableImage'
]
