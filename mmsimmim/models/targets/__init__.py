"""What is predicted of an image, where that is not the image itself."""

from .pixel import NormalizedPixelTarget

__all__ = ['NormalizedPixelTarget']
