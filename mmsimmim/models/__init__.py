"""The algorithm and its parts."""

from .backbones import SwinTransformer, SwinTransformerV2, VisionTransformer
from .data_preprocessor import SimMIMDataPreprocessor
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
    'PatchNormalizedPixelTarget', 'PixelReconstructionLoss', 'PixelTarget', 'SimMIM', 'SimMIMDataPreprocessor',
    'SimMIMHead', 'SimMIMInverseSwinDecoder', 'SimMIMLinearDecoder', 'SimMIMMLPDecoder', 'SimpleFeaturePyramid',
    'SwinTransformer', 'SwinTransformerV2', 'TokenTarget', 'VisionTransformer'
]
