"""Whether a JPEG file holds data for all of its pixels.

Where the data end too early, at a marker that says so or because the header claims more pixels than there are, libjpeg
fills in grey and says nothing, whoever calls it. Its data end too early exactly if more of them change the image. As
this takes as long as decoding, it is tried only where the image is grey at an end, or where that would not show.
"""

import io
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

TOO_SHORT = 'its data end before its pixels do: the file is cut off, or its header is damaged'

_GREY = 128  # what all coefficients of 0 decode to, in all components
_MORE = bytes(range(1, 255))  # without 255, so that there is no marker in it
_MARKER = re.compile(rb'\xff[^\x00\xff\xd0-\xd7]')
_MARKER_OR_RESTART = re.compile(rb'\xff[^\x00\xff]')
_RESTART = re.compile(rb'\xff[\xd0-\xd7]')
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_ALL = frozenset(range(64))  # coefficients of a block


class _Scan(NamedTuple):
    components: bytes  # their identifiers
    first: int  # coefficient
    last: int
    bit: int  # the lowest that it holds
    start: int  # of the data
    end: int | None  # None: not looked for


class _Layout(NamedTuple):
    marker: int  # which kind of coding
    height: int
    width: int
    components: bytes
    unit: tuple[int, int]  # height and width that are coded at a time, in pixels
    interval: int  # units between two restarts; 0 without
    scans: Sequence[_Scan]


def find_lack(data: bytes, image: np.ndarray, reduction: int = 1) -> str:
    """Look whether pixels of a decoded image were filled in.

    Args:
        data (bytes): The file.
        image (np.ndarray): What it was decoded to, as stored: uint8, (H, W) or (H, W, C).
        reduction (int): How many pixels of the file there are to one of the image, per side. Defaults to 1.

    Returns:
        str: What is missing; '' if nothing is, or if that is not known, as with arithmetic coding.
    """
    try:
        layout = _read_layout(data)
    except (IndexError, struct.error):
        return ''
    if layout is None or layout.marker not in (*_SEQUENTIAL, _PROGRESSIVE):
        return ''
    if not _is_complete(layout):
        return 'some of its scans are missing: the file is cut off'
    if not _has_restarts(data, layout):
        return 'its restart markers are not those that there should be: a part of the file is missing'
    if _may_lack(layout, image, reduction):
        # By Pillow: OpenCV tells the terminal about data that are too many.
        if not np.array_equal(_decode(data), _decode(_lengthened(data, layout))):
            return TOO_SHORT
    return ''


def _read_layout(data: bytes) -> _Layout | None:
    """Go through the segments; nothing is looked at behind the scan of a file that has only one."""
    frame, interval, scans, place = None, 0, [], 2
    while place < len(data) - 3:
        marker = data[place + 1] if data[place] == 0xFF else 0xFF
        if marker == 0xFF:  # padding, or rubbish, over which decoders pass
            place += 1
            continue
        if marker == 0xD9:
            break
        if marker in _NO_LENGTH:
            place += 2
            continue
        start, place = place + 4, place + 2 + (data[place + 2] << 8 | data[place + 3])
        if marker in _FRAMES and frame is None:
            frame = (marker, *_read_frame(data, start))
        elif marker == 0xDD:
            interval = data[start] << 8 | data[start + 1]
        elif marker == 0xDA and frame:
            count = data[start]
            first, last, bits = data[start + 1 + 2 * count:start + 4 + 2 * count]
            only = frame[0] in _SEQUENTIAL and count == len(frame[3])
            end = None if only else _end_of_scan(data, place)
            scans.append(_Scan(data[start + 1:start + 1 + 2 * count:2], first, last, bits & 15, place, end))
            if only:
                break
            place = end
    return _Layout(*frame, interval, scans) if frame and scans else None


def _read_frame(data: bytes, start: int) -> tuple:
    height, width, count = struct.unpack_from('>xHHB', data, start)
    sampling = data[start + 7:start + 6 + 3 * count:3]
    rows, cols = max(factor & 15 for factor in sampling), max(factor >> 4 for factor in sampling)
    return height, width, data[start + 6:start + 6 + 3 * count:3], (8, 8) if count == 1 else (8 * rows, 8 * cols)


def _end_of_scan(data: bytes, start: int) -> int:
    end = _MARKER.search(data, start)
    return end.start() if end else len(data)


def _is_complete(layout: _Layout) -> bool:
    """Whether there is a scan for every bit of every coefficient."""
    if layout.marker in _SEQUENTIAL:
        return set(layout.components) <= set().union(*(scan.components for scan in layout.scans))
    return all(_ALL <= set().union(*(range(scan.first, scan.last + 1) for scan in layout.scans
                                     if component in scan.components and scan.bit == 0))
               for component in layout.components)


def _has_restarts(data: bytes, layout: _Layout) -> bool:
    if not layout.interval or len(layout.scans) > 1 or layout.marker == _PROGRESSIVE:
        return True
    start, wanted = layout.scans[0].start, (_units(layout) - 1) // layout.interval
    found = b''.join(_MARKER_OR_RESTART.findall(data, start))[1::2]
    restarts = bytes(range(0xD0, 0xD8))
    return found[:wanted] == (restarts * (wanted // 8 + 1))[:wanted] and found[wanted] not in restarts


def _units(layout: _Layout) -> int:
    return -(-layout.height // layout.unit[0]) * -(-layout.width // layout.unit[1])


def _may_lack(layout: _Layout, image: np.ndarray, reduction: int) -> bool:
    """Whether the last unit of the image, or before a restart, is grey; or may be filled in and yet not be grey."""
    several = layout.marker in _SEQUENTIAL and len(layout.scans) > 1
    if several or len(layout.components) not in (1, 3) or image.dtype != np.uint8:
        return True
    last = _units(layout) - 1
    if not layout.interval or layout.marker == _PROGRESSIVE:
        return _is_grey(image, layout, reduction, last)
    ends = np.append(np.arange(layout.interval - 1, last, layout.interval), last)
    return _is_grey(image, layout, reduction, ends, np.minimum)


def _is_grey(image: np.ndarray, layout: _Layout, reduction: int, number: Any, least: Callable = min) -> bool:
    """Whether a unit is, or any of several, in its middle: there its neighbours change nothing by interpolation."""
    row, col = divmod(number, -(-layout.width // layout.unit[1]))
    y = least((2 * row + 1) * layout.unit[0] // 2 // reduction, image.shape[0] - 1)
    x = least((2 * col + 1) * layout.unit[1] // 2 // reduction, image.shape[1] - 1)
    grey = image[y, x] == _GREY
    return bool((grey.all(-1) if image.ndim == 3 else grey).any())


def _decode(data: bytes) -> np.ndarray:
    return np.asarray(JpegImageFile(io.BytesIO(data)))


def _lengthened(data: bytes, layout: _Layout) -> bytes:
    """The file with more data at the end of each scan, and before each restart."""
    parts, place = [], 0
    for scan in layout.scans:
        end = _end_of_scan(data, scan.start) if scan.end is None else scan.end
        content = data[scan.start:end]
        if layout.interval:
            content = _RESTART.sub(lambda found: _MORE + found[0], content)
        parts += data[place:scan.start], content, _MORE
        place = end
    return b''.join((*parts, data[place:]))
