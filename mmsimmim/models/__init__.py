"""The algorithm and its parts."""

from .backbones import SwinTransformer
from .heads import PixelReconstructionLoss, SimMIMHead
from .necks import SimMIMLinearDecoder
from .simmim import SimMIM

__all__ = ['PixelReconstructionLoss', 'SimMIM', 'SimMIMHead', 'SimMIMLinearDecoder', 'SwinTransformer']
