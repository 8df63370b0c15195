"""Mask generators."""

from .random_mask import SimMIMMaskGenerator

__all__ = ['SimMIMMaskGenerator']
