"""The algorithm and its parts."""

from .backbones import SwinTransformer, SwinTransformerV2, VisionTransformer
from .heads import PixelReconstructionLoss, SimMIMHead
from .necks import SimMIMLinearDecoder, SimpleFeaturePyramid
from .simmim import SimMIM
from .targets import NormalizedPixelTarget

__all__ = ['NormalizedPixelTarget', 'PixelReconstructionLoss', 'SimMIM', 'SimMIMHead', 'SimMIMLinearDecoder',
           'SimpleFeaturePyramid', 'SwinTransformer', 'SwinTransformerV2', 'VisionTransformer']
