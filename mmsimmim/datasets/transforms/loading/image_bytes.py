"""An image that may lie in a file or in memory, before it is decoded."""

import errno
import functools
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image

from .jpeg import START, JpegHeader, read_header

# Those that Pillow decodes by itself: for some others, EPS among them, it starts programs.
RASTER_FORMATS = ('JPEG', 'MPO', 'PNG', 'GIF', 'BMP', 'DIB', 'TIFF', 'WEBP', 'PPM', 'JPEG2000', 'AVIF', 'TGA', 'ICO',
                  'PCX', 'SGI')
MAX_PIXELS = 2**26  # of an image of which nobody said more; 192 MiB in colours of 8 bits
NO_FILE = 'no regular file but a pipe, device or socket'


class UnreadableImage(Exception):
    """A file that is cut off, broken, or not an image. The message is the reason."""


class ImageBytes:
    """The bytes of one image, read once.

    Args:
        results (dict): With ``img_bytes`` (bytes, the content of the file), or else ``img_path``.

    Attributes:
        data (bytes | None): The content; None if it lies in a file that is no JPEG and is left to Pillow.
        header (JpegHeader | None): Where it is a JPEG file that is whole and ordinary.

    Raises:
        OSError: The file cannot be read.
        ValueError: There is neither.
    """

    def __init__(self, results: dict) -> None:
        self.path = results.get('img_path')
        if self.path is None and 'img_bytes' not in results:
            raise ValueError('neither img_path nor img_bytes nor img is in the results')
        self.data = results['img_bytes'] if 'img_bytes' in results else _read_if_jpeg(self.path)
        self.header: JpegHeader | None = None if self.data is None else read_header(self.data)

    def source(self) -> str | BinaryIO:
        """What Pillow can open."""
        return self.path if self.data is None else io.BytesIO(self.data)

    def is_within(self, max_pixels: int | None) -> bool:
        """Whether the size is known and below the given limit, or else Pillow's own."""
        limit = Image.MAX_IMAGE_PIXELS if max_pixels is None else max_pixels
        return self.header is not None and (limit is None or self.header.height * self.header.width <= limit)


def open_image(source: str | BinaryIO) -> Image.Image:
    """Pillow's ``Image.open`` for :data:`RASTER_FORMATS` alone, by the content and not by the name."""
    return Image.open(source, formats=_formats())


@functools.lru_cache
def _formats() -> list[str]:
    """Those that the installed Pillow knows; asked for another one it raises."""
    Image.init()
    return [name for name in RASTER_FORMATS if name in Image.OPEN]


def open_file(path: str) -> BinaryIO:
    """Open a regular file, unbuffered; of a pipe, device or socket nobody waits for the content.

    Args:
        path (str): The file.

    Returns:
        BinaryIO: Open for reading.

    Raises:
        OSError: It cannot be opened, or is none.
    """
    file = open(path, 'rb', buffering=0, opener=_without_waiting)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, NO_FILE, path)
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, 'O_NONBLOCK', 0))


def _read_if_jpeg(path: str) -> bytes | None:
    with open_file(path) as file:
        start = file.read(2)
        return start + file.readall() if start == START else None


@contextmanager
def pillow_limit(max_pixels: int | None) -> Iterator[None]:
    """Lift Pillow's own limit, a global one, while an image with a limit of its own is read."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = before if max_pixels is None else None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def reason_of(error: Exception) -> str:
    """Why an image cannot be read, in a few words."""
    if type(error).__name__ == 'UnidentifiedImageError':
        return 'not an image'
    if isinstance(error, Image.DecompressionBombError):
        return f'{error} To read images of this size, set LoadImage(max_pixels=...)'
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__
