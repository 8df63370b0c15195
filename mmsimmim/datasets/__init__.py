"""Data."""

from .transforms import SimMIMMaskGenerator

__all__ = ['SimMIMMaskGenerator']
