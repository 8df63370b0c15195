"""Reading many image files in threads."""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from ..transforms.loading.all_pixels import load_all_pixels
from ..transforms.loading.image_bytes import open_file, open_image

T = TypeVar('T')

ORIENTATION = 0x0112  # the EXIF tag; from 5 on, rows and columns are swapped
FIRST_WORD = 5.0  # seconds until the first line about progress
BATCH = 1000  # files submitted to the threads at a time


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Args:
        workers (int): Threads; decoders run outside of Python's lock. Defaults to 4.
        sample (int, optional): Number of files to look into, spread over each dataset. Defaults to None: all.
        decode (bool): Decode images instead of reading their headers. Defaults to False.
    """

    workers: int = 4
    sample: int | None = None
    decode: bool = False

    def choose(self, files: Sequence[T]) -> list[T]:
        """The files to look into.

        Args:
            files (Sequence): All.

        Returns:
            list: Those at equal distances, or all.
        """
        if self.sample is None or self.sample >= len(files):
            return list(files)
        return [files[i * len(files) // self.sample] for i in range(self.sample)]


class Picture(NamedTuple):
    """An image as OpenMMLab loads it, by its header.

    Args:
        width (int): Pixels.
        height (int): Pixels.
        turned (bool): Whether the EXIF data say that rows and columns change places, which is considered above.
        fault (str): Why the file cannot be read; '' if it can.
    """

    width: int = 0
    height: int = 0
    turned: bool = False
    fault: str = ''


class LabelMap(NamedTuple):
    """What is in a label map.

    Args:
        width (int): Pixels.
        height (int): Pixels.
        mode (str): Pillow's name of the pixel format.
        counts (dict[float, int]): Pixels of each value; empty for colour images.
        fault (str): Why the file cannot be read; '' if it can.
    """

    width: int = 0
    height: int = 0
    mode: str = ''
    counts: dict[float, int] = {}
    fault: str = ''


def read_picture(path: str, decode: bool = False) -> Picture:
    """Read the size of an image.

    Args:
        path (str): The file.
        decode (bool): Decode it, to see whether it is complete. Defaults to False.

    Returns:
        Picture: With the size, or the fault.
    """
    try:
        with open_file(path) as file, open_image(file) as image:
            turned = image.format in ('JPEG', 'MPO') and 'exif' in image.info and \
                image.getexif().get(ORIENTATION, 1) >= 5
            if decode:
                load_all_pixels(image, file)
            return Picture(*(image.size[::-1] if turned else image.size), turned)
    except Exception as error:  # Pillow's decoders raise nearly every type of exception for broken files.
        return Picture(fault=_reason(error))


def read_label_map(path: str) -> LabelMap:
    """Count the values of a label map.

    Args:
        path (str): The file.

    Returns:
        LabelMap: With the counts, or the fault.
    """
    try:
        with open_file(path) as file, open_image(file) as image:
            load_all_pixels(image, file)
            return LabelMap(*image.size, image.mode, _count_values(image))
    except Exception as error:
        return LabelMap(fault=_reason(error))


def _count_values(image: Image.Image) -> dict[float, int]:
    """In the fastest way; the values are those that NumPy gets from Pillow."""
    if image.mode in ('L', 'P'):
        return {value: count for value, count in enumerate(image.histogram()) if count}
    pixels = np.asarray(image)
    if pixels.ndim > 2:
        return {}
    values, counts = np.unique(pixels, return_counts=True)
    return dict(zip((values.astype(np.uint8) if pixels.dtype == bool else values).tolist(), counts.tolist()))


def _reason(error: Exception) -> str:
    if type(error).__name__ == 'UnidentifiedImageError':
        return 'not an image'
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


def look_into(paths: Sequence[str], read: Callable[[str], T], what: str, reading: Reading) -> list[T]:
    """Read files in several threads, with progress on stderr if it takes long.

    Args:
        paths (Sequence[str]): The files.
        read (Callable): Reads one.
        what (str): What they are, for the words.
        reading (Reading): Says how many threads.

    Returns:
        list: What was read, in the same order.
    """
    results, start, next_word = [], time.monotonic(), FIRST_WORD
    with _no_limit(), ThreadPoolExecutor(reading.workers) as pool:
        try:
            for first in range(0, len(paths), BATCH):
                results.extend(pool.map(read, paths[first:first + BATCH]))
                passed = time.monotonic() - start
                if passed > next_word:
                    print(f'{len(results)} of {len(paths)} {what} read, about '
                          f'{passed / len(results) * (len(paths) - len(results)):.0f} s to go', file=sys.stderr)
                    next_word = 2 * passed
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


@contextmanager
def _no_limit() -> Iterator[None]:
    """Large images are no fault; Pillow's limit is a global one."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def find_same(some: Sequence[str], others: Sequence[str], reading: Reading) -> list[tuple[str, str]]:
    """Files that are in both lists, under whatever name. Only those of equal size are read.

    Args:
        some (Sequence[str]): Paths that exist.
        others (Sequence[str]): Paths that exist.
        reading (Reading): Says how many threads.

    Returns:
        list[tuple[str, str]]: For each of ``others`` that has one, the first of ``some`` with the same content, and
        it.
    """
    sizes = {path: size for path, size in zip([*some, *others], look_into(
        [*some, *others], os.path.getsize, 'file sizes', reading))}
    common = {sizes[path] for path in some} & {sizes[path] for path in others}
    some, others = ([path for path in paths if sizes[path] in common] for paths in (some, others))
    hashes = dict(zip([*some, *others], look_into([*some, *others], _hash, 'files of equal size', reading)))
    first = {hashes[path]: path for path in reversed(some)}
    return [(first[hashes[path]], path) for path in others if hashes[path] in first]


def _hash(path: str) -> bytes:
    with open_file(path) as file:
        return hashlib.blake2b(file.read(), digest_size=16).digest()
