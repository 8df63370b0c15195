"""Test sets of other images, or other labels, for classifiers of ImageNet-1K."""

from .real import ImageNetReaL
from .variant import ImageNetVariant

__all__ = ['ImageNetReaL', 'ImageNetVariant']
