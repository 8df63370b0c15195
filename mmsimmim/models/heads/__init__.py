"""Comparing the prediction with the target."""

from .losses import CrossEntropyReconstructionLoss, PixelReconstructionLoss
from .simmim_head import SimMIMHead

__all__ = ['CrossEntropyReconstructionLoss', 'PixelReconstructionLoss', 'SimMIMHead']
