"""Loading an image with Pillow, or an error where the file does not hold all of its pixels.

Pillow reports data that end before the file says so. Where they end as if they were complete, the rest of the image
stays as it was before: black. Of a PNG file it does not compare the checksums of the pixels, which others do.
"""

import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL import Image

from .image_bytes import open_image
from .jpeg_data import find_lack

# Of these Pillow decodes what there is into the memory of the image; others are decoded as a whole, or not.
_PIECEWISE = ('PNG', 'GIF', 'BMP', 'DIB', 'TIFF', 'PPM', 'JPEG2000', 'TGA', 'PCX', 'SGI')

INCOMPLETE = 'its data end before its pixels do: rows or blocks are missing'

_MAX_PIXELS = 2**26  # of larger images no memory is touched before there are data for it
# What is in the image before it is loaded: values that are rare in images, and others.
_BEFORE = dict(single=(171, 84), several=((171, 87, 203, 39), (84, 168, 52, 216)))


def load_all_pixels(image: Image.Image, source: str | BinaryIO, data: bytes | None = None) -> None:
    """``image.load()`` that fails where pixels are missing.

    Args:
        image (Image.Image): Opened, not loaded.
        source (str | BinaryIO): What it was opened from.
        data (bytes, optional): The content of the file, if that is in memory. Defaults to None.

    Raises:
        ValueError: Pixels are missing.
        Exception: Whatever Pillow raises.
    """
    if image.format in ('JPEG', 'MPO'):
        image.load()
        fault = find_lack(_read(source) if data is None else data, np.asarray(image))
        if fault:
            raise ValueError(fault)
    elif image.format not in _PIECEWISE:
        image.load()
    elif image.format == 'PNG' and not _has_right_checksums(_read(source) if data is None else data):
        raise ValueError('a piece of it is cut off, or has another checksum: the file is damaged')
    elif not _covers_all(image) or _may_lack(image) and _depends_on_before(image, source):
        raise ValueError(INCOMPLETE)


def _has_right_checksums(data: bytes) -> bool:
    """Whether those of all pieces of pixels in a PNG file are right, as far as the file goes."""
    place, view = 8, memoryview(data)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, place)
        end = place + 8 + length
        if end > len(data):  # for a length of gigabytes Pillow would take the memory
            return False
        if kind == b'IDAT' and end + 4 <= len(data) and \
                zlib.crc32(view[place + 4:end]) != struct.unpack_from('>I', data, end)[0]:
            return False
        if kind == b'IEND':
            break
        place = end + 4
    return True


def _covers_all(image: Image.Image) -> bool:
    """Whether there are data for every part of it: a TIFF file lists parts, each of which may be missing."""
    if image.format == 'GIF':  # the rest is background
        return True
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (tile[1] for tile in getattr(image, 'tile', ())) if box]
    return not areas or sum(areas) >= image.width * image.height


def _may_lack(image: Image.Image) -> bool:
    """Load it, and look whether pixels at its end are as they were before."""
    box = _box(image)
    before = _fill(image, 0)
    image.load()
    if before is None:
        return False
    # Two rows and columns: the last data of an interlaced file are of every other one.
    places = [(x, y) for y in range(max(box[3] - 2, box[1]), box[3]) for x in range(max(box[2] - 2, box[0]), box[2])]
    return any(image.im.getpixel(place) == before for place in places)


def _depends_on_before(image: Image.Image, source: str | BinaryIO) -> bool:
    """Load it once more into an image of other values."""
    if not isinstance(source, str):
        source.seek(0)
    with open_image(source) as other:
        box = _box(other)
        _fill(other, 1)
        other.load()
        return other.mode == image.mode and other.crop(box).tobytes() != image.crop(box).tobytes()


def _box(image: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is loaded, which in a GIF file may be a part."""
    tiles = getattr(image, 'tile', None)
    return tiles[0][1] if image.format == 'GIF' and tiles and tiles[0][1] else (0, 0, *image.size)


def _fill(image: Image.Image, which: int) -> int | tuple | None:
    """Give an image its memory, as loading it would; the value of its pixels."""
    if image.mode == '1':
        value = 255 * (1 - which)
    elif len(image.getbands()) == 1:
        value = _BEFORE['single'][which]
    else:
        value = _BEFORE['several'][which][:len(image.getbands())]
    if which == 0 and image.format == 'GIF':  # what has no data is background, and stays what Pillow makes of it
        return image.info.get('transparency', 0)
    if which == 0 and image.width * image.height > _MAX_PIXELS:
        value = 0 if len(image.getbands()) == 1 else (0, ) * len(image.getbands())
        return value
    try:
        image.im = Image.core.fill(image.mode, image.size, value)
    except (ValueError, TypeError):  # a mode that cannot be filled
        return None
    return value


def _read(source: str | BinaryIO) -> bytes:
    if isinstance(source, str):
        with open(source, 'rb') as file:
            return file.read()
    place = source.tell()  # where Pillow goes on
    source.seek(0)
    content = source.read()
    source.seek(place)
    return content

