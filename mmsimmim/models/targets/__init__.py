"""Prediction targets."""

from .colour_bins import ColourBinTarget
from .colour_clusters import ColourClusterTarget
from .normalized_pixel import NormalizedPixelTarget, PatchNormalizedPixelTarget, RelativePixelTarget
from .pixel import PixelTarget
from .target import Target
from .tokens import TokenTarget

__all__ = ['ColourBinTarget', 'ColourClusterTarget', 'NormalizedPixelTarget', 'PatchNormalizedPixelTarget',
           'PixelTarget', 'RelativePixelTarget', 'Target', 'TokenTarget']
