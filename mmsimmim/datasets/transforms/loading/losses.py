"""A warning where an image holds more than the three colours of 8 bits as which it is read."""

import os
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image

from ....errors import shown

# Of the range that becomes 0..255; below it pictures are as good as black.
FILLED = 0.05
DEEP = 65535
_told: set[tuple[str, str]] = set()


class Lost(UserWarning):
    """Something in an image is not read."""


class Losses:
    """What an image loses, noted before its pixels are decoded, when that is forgotten.

    Args:
        image (Image.Image): Just opened.
        path (str, optional): Of its file.
    """

    def __init__(self, image: Image.Image, path: str | None) -> None:
        self.path = path
        self.deep_colours = len(image.getbands()) > 1 and ';16' in str(image.tile)
        self.pages = image.n_frames if image.format == 'TIFF' else 1

    def warn(self, image: Image.Image, pixels: np.ndarray, max_value: float | None) -> None:
        """Tell of each kind of loss once for each folder.

        Args:
            image (Image.Image): Decoded.
            pixels (np.ndarray): uint8, (H, W, 3), what it became.
            max_value (float, optional): Which value became 255; None for the largest one of its type.
        """
        folder = os.path.dirname(self.path) if self.path else ''
        for kind, text in self._all(image, pixels, max_value):
            if (kind, folder) not in _told:
                _told.add((kind, folder))
                name = shown(self.path) if self.path else 'An image'
                warnings.warn(f'{name}{text} (Said once for each folder.)', Lost, stacklevel=2)

    def _all(self, image: Image.Image, pixels: np.ndarray, max_value: float | None) -> Iterator[tuple[str, str]]:
        deep = image.mode == 'F' or image.mode.startswith('I')
        if (deep or self.deep_colours) and pixels.size and pixels.max() < FILLED * 255:
            yield 'range', _of_range(image, pixels, max_value, deep)
        if self.pages > 1:
            yield 'pages', f' has {self.pages} pages, of which the first alone is read. Save each as a file of its own.'
        if 'A' in image.getbands() and image.getextrema()[-1][0] < 255:
            yield 'alpha', (' has transparent pixels, whose colours are read as if they were to be seen: an alpha '
                            'channel is dropped. Lay the images on a background, or save a fourth band as a file of '
                            'its own.')


def _of_range(image: Image.Image, pixels: np.ndarray, max_value: float | None, deep: bool) -> str:
    if not deep:
        return (f' has 16 bits for each colour, of which the upper 8 are read, and they are 0 to {pixels.max()}: as '
                'good as black. Scale the files to their range.')
    values = np.asarray(image)  # Pillow's own extrema know no images of the other byte order
    low, high = np.nanmin(values), np.nanmax(values)
    return (f' has values of {low:g} to {high:g}, and {max_value or DEEP:g} becomes 255: it is as good as black. Set '
            f'max_value={high:g}, or the largest value of all of your images, for LoadImage and LoadRandomResizedCrop '
            f'in the pipelines (mmsimmim pretrain: --set max_value={high:g}).')
