"""The masking strategies by the names that the tools take."""

from functools import partial

from .blockwise_mask import BlockwiseMaskGenerator
from .random_mask import SimMIMMaskGenerator
from .square_mask import SquareMaskGenerator

MASK_STRATEGIES = {
    'random': SimMIMMaskGenerator,
    'square': SquareMaskGenerator,
    'central-square': partial(SquareMaskGenerator, position='central'),
    'block-wise': BlockwiseMaskGenerator,
}
