"""Comparing the prediction with the target."""

from .pixel import PixelReconstructionLoss, SimMIMHead

__all__ = ['PixelReconstructionLoss', 'SimMIMHead']
