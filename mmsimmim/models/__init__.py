"""The algorithm and its parts."""

from .backbones import SwinTransformer, SwinTransformerV2, VisionTransformer
from .heads import CrossEntropyReconstructionLoss, PixelReconstructionLoss, SimMIMHead
from .necks import SimMIMInverseSwinDecoder, SimMIMLinearDecoder, SimMIMMLPDecoder, SimpleFeaturePyramid
from .simmim import SimMIM
from .targets import (
    ColourBinTarget,
    ColourClusterTarget,
    NormalizedPixelTarget,
    PatchNormalizedPixelTarget,
    PixelTarget,
    TokenTarget,
)

__all__ = [
    'ColourBinTarget', 'ColourClusterTarget', 'CrossEntropyReconstructionLoss', 'NormalizedPixelTarget',
    'PatchNormalizedPixelTarget', 'PixelReconstructionLoss', 'PixelTarget', 'SimMIM', 'SimMIMHead',
    'SimMIMInverseSwinDecoder', 'SimMIMLinearDecoder', 'SimMIMMLPDecoder', 'SimpleFeaturePyramid', 'SwinTransformer',
    'SwinTransformerV2', 'TokenTarget', 'VisionTransformer'
]
