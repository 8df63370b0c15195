"""The header of a JPEG file, and its pixels at full or reduced size, as Pillow would decode them.

OpenCV and Pillow use the same decoder, libjpeg-turbo. OpenCV makes fewer copies, but fills in grey where a file is
truncated. So it decodes only intact, ordinary files; Pillow decodes all others. Where both fill in grey, because the
end of the file seems to be one, jpeg_data.py finds it.
"""

import re
import struct
from dataclasses import dataclass

import cv2
import numpy as np

from .jpeg_data import find_lack

START = b'\xff\xd8'
END = b'\xff\xd9'
REDUCTIONS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8
}

Box = tuple[int, int, int, int]  # top, left, height, width

_ORIENTATION = 0x0112
_UPSIDE_DOWN, _MIRRORED = (3, 4, 6, 7), (2, 3, 7, 8)
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive, in Huffman code
_FRAME_LIKE = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xDA)))
_MAX_PIXELS = 2**30  # above it OpenCV refuses
_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7]')  # neither a byte 255 nor a restart


@dataclass(frozen=True)
class JpegHeader:
    """An ordinary JPEG file.

    Args:
        height (int): Of the stored pixels.
        width (int): Of the stored pixels.
        orientation (int): How EXIF says they lie, 1 to 8; 1 is upright.
    """

    height: int
    width: int
    orientation: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the upright image."""
        return (self.width, self.height) if self.orientation > 4 else (self.height, self.width)


def read_header(data: bytes) -> JpegHeader | None:
    """The header of a JPEG file that OpenCV decodes exactly as Pillow does.

    Args:
        data (bytes): The whole file.

    Returns:
        JpegHeader | None: None for anything out of the ordinary: no JPEG, not whole, more or less than 8 bits, neither
        one nor three components, arithmetic or lossless coding, several images in one file, an orientation that is
        said in a way not known here.
    """
    if not data.startswith(START) or not data.rstrip(b'\0').endswith(END):
        return None
    try:
        return _walk(data)
    except (IndexError, struct.error):
        return None


def _walk(data: bytes) -> JpegHeader | None:
    """Go from segment to segment up to the first scan."""
    frame, orientation, elsewhere, place = None, None, False, 2
    while True:
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        if marker in _NO_LENGTH:
            return None
        start, place = place + 4, place + 2 + (data[place + 2] << 8 | data[place + 3])
        if marker == 0xDA:
            return _check(frame, None if elsewhere and not orientation else orientation or 1, data, start, place)
        if marker in _FRAME_LIKE:
            if frame or marker not in _FRAMES:
                return None
            frame = marker, *struct.unpack_from('>BHHB', data, start)
        elif marker == 0xE1 and data.startswith(b'Exif\0\0', start):
            if orientation is not None:
                return None
            orientation = _exif_orientation(data[start + 6:place])
            if orientation is None:
                return None
        elif marker == 0xE1:
            elsewhere = elsewhere or data.find(b'rientation', start, place) >= 0  # XMP
        elif marker == 0xE2 and data.startswith(b'MPF\0', start):
            return None


def _check(frame: tuple[int, ...] | None, orientation: int | None, data: bytes, scan: int,
           pixels: int) -> JpegHeader | None:
    if not frame or not orientation or pixels >= len(data):
        return None
    marker, bits, height, width, components = frame
    if bits != 8 or components not in (1, 3) or not 0 < height * width <= _MAX_PIXELS:
        return None
    only_scan = marker != 0xC2 and data[scan] == components
    return JpegHeader(height, width, orientation) if not only_scan or _ends_with_scan(data, pixels) else None


def _ends_with_scan(data: bytes, pixels: int) -> bool:
    """Whether there is no marker before the end: OpenCV accepts broken ones, Pillow does not."""
    content = np.frombuffer(data, np.uint8, offset=pixels)
    markers = (content[:-1] == 0xFF).view(np.uint8)
    np.minimum(markers, content[1:], out=markers)  # 255 is followed by 0 where it is none
    if np.count_nonzero(markers.view(bool)) == 1:  # the quick way; restarts are counted, too
        return True
    return data.startswith(END, _MARKER.search(data, pixels).start())


def _exif_orientation(tiff: bytes) -> int | None:
    """The orientation, 1 to 8; 0 if EXIF has none; None if only Pillow may be able to read it."""
    order = {b'II*\0': '<', b'MM\0*': '>'}.get(tiff[:4])
    if order is None:
        return None
    directory, = struct.unpack_from(f'{order}I', tiff, 4)
    entries, = struct.unpack_from(f'{order}H', tiff, directory)
    for place in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, kind, count, value = struct.unpack_from(f'{order}HHIH', tiff, place)
        if tag == _ORIENTATION:
            return value if kind == 3 and count == 1 and 1 <= value <= 8 else None
    return 0


def decode(data: bytes, reduction: int = 1) -> np.ndarray | None:
    """The pixels as they are stored.

    Args:
        data (bytes): A file that :func:`read_header` knows.
        reduction (int): 1, 2, 4 or 8: decode at this fraction of the size, which saves most of the work. Defaults to 1.

    Returns:
        np.ndarray | None: Blue, green, red: uint8, (ceil(H / reduction), ceil(W / reduction), 3). None if it fails, or
        if the file does not hold all of the pixels.
    """
    flags = REDUCTIONS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if image is None or find_lack(data, image, reduction) else image


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the EXIF orientation (JEITA CP-3451, tag 274).

    Args:
        image (np.ndarray): Stored pixels, (H, W, C).
        orientation (int): 1 to 8.

    Returns:
        np.ndarray: A view, (H, W, C), or (W, H, C) for orientations 5 to 8.
    """
    if orientation in _UPSIDE_DOWN:
        image = image[::-1]
    if orientation in _MIRRORED:
        image = image[:, ::-1]
    return image.swapaxes(0, 1) if orientation > 4 else image


def to_stored(box: Box, header: JpegHeader) -> Box:
    """Convert a box of the upright image to stored pixels."""
    top, left, rows, cols = box
    return _mirror((left, top, cols, rows) if header.orientation > 4 else box, header)


def to_upright(box: Box, header: JpegHeader) -> Box:
    """Convert a box of stored pixels to the upright image."""
    top, left, rows, cols = _mirror(box, header)
    return (left, top, cols, rows) if header.orientation > 4 else (top, left, rows, cols)


def _mirror(box: Box, header: JpegHeader) -> Box:
    top, left, rows, cols = box
    if header.orientation in _UPSIDE_DOWN:
        top = header.height - top - rows
    if header.orientation in _MIRRORED:
        left = header.width - left - cols
    return top, left, rows, cols
