"""From the bytes of a file to an image or a crop of it."""

from .image_bytes import UnreadableImage
from .load_image import LoadImage
from .load_random_resized_crop import LoadRandomResizedCrop

__all__ = ['LoadImage', 'LoadRandomResizedCrop', 'UnreadableImage']
