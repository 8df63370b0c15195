"""Packing an image folder into one file; file.py describes the file."""

import errno
import io
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from ...errors import UserError
from ..image_folder import IMAGE_SUFFIXES, list_files
from ..transforms.loading.image_bytes import NO_FILE, open_file, open_image
from ..transforms.loading.load_image import LoadImage, UnreadableImage
from .file import FORMAT, UNFINISHED, PackedFile
from .writer import Conversion, Entry, require_same

JPEG_SIDE = 65500  # pixels, at most
COMMIT_BYTES = 2**25  # of images in a commit: what a kill costs, at most


@dataclass
class Packed:
    """What is in the file.

    Args:
        count (int): Images.
        unreadable (dict[str, str]): The reason for each that cannot be read.
        already (bool): Whether it had been packed before.
    """

    count: int
    unreadable: dict[str, str] = field(default_factory=dict)
    already: bool = False


def pack(folder: str,
         out: str,
         short_side: int | None = None,
         quality: int = 95,
         suffixes: Sequence[str] = IMAGE_SUFFIXES,
         workers: int = 1,
         tell: Callable[[int, int], None] = lambda done, count: None) -> Packed:
    """Pack all images below a folder, or continue an interrupted conversion.

    Files that cannot be decoded are packed as they are; of those that cannot even be opened the reason is kept. A data
    set then passes over both as it does in the folder.

    Args:
        folder (str): The folder, searched as by :class:`ImageFolder`.
        out (str): The file. It appears under this name when it is finished.
        short_side (int, optional): Images with a larger short side are made as small as this, antialiased, and stored
            as JPEG, turned as their EXIF data say; those of single channels with more than 8 bits are left as they
            are. Defaults to None: files are stored as they are.
        quality (int): Of these JPEGs. Defaults to 95.
        suffixes (Sequence[str]): Endings that count as images, with the dot, in lower case.
        workers (int): Threads that read, decode and encode. Defaults to 1.
        tell (Callable): Called after each commit with the number of images packed, and of all.

    Returns:
        Packed: What is in the file.

    Raises:
        UserError: There are no images; the file belongs to another folder or has other options; the folder has
            changed since the beginning; another process is packing; the file cannot be written.
    """
    paths = [path.replace(os.sep, '/') for path in sorted(list_files(folder, tuple(suffixes)))]
    if not paths:
        raise UserError(f'No images in {folder} or the folders below it. Looked for names that end in '
                        f'{", ".join(suffixes)}.')
    begin = dict(format=FORMAT, source=os.path.realpath(folder), count=len(paths), options=dict(
        short_side=short_side, quality=quality if short_side else None, suffixes=list(suffixes)))
    if os.path.exists(out):
        was = PackedFile(out)
        require_same(was.manifest, begin, out, was.paths(), paths)
        already = True
    else:
        with Conversion(out + UNFINISHED, begin, paths) as conversion, ThreadPoolExecutor(workers) as pool:
            entries = _in_order(pool, lambda path: encode(folder, path, short_side, quality),
                                paths[conversion.done:], ahead=4 * workers)
            for batch in _batches(entries):
                conversion.commit(batch)
                tell(conversion.done, len(paths))
            conversion.finish()
        os.replace(out + UNFINISHED, out)
        already = False
    return Packed(len(paths), PackedFile(out).unreadable(), already)


def encode(folder: str, path: str, short_side: int | None, quality: int) -> Entry:
    """Read a file, make it smaller if that is wanted, and see whether it can be decoded.

    Args:
        folder (str): The folder.
        path (str): Relative to it.
        short_side (int, optional): Pixels; None to store the file as it is.
        quality (int): Of JPEGs.

    Returns:
        Entry: What is to be stored.

    Raises:
        UserError: The storage failed, which may pass.
    """
    try:
        with open_file(os.path.join(folder, path)) as file:
            content = file.read()
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        return Entry(path, b'', error.strerror, missing=True)
    except OSError as error:
        if error.strerror == NO_FILE or error.errno in (errno.ELOOP, errno.ENXIO):
            return Entry(path, b'', error.strerror, missing=True)
        raise UserError(f'Cannot read {os.path.join(folder, path)}: {error.strerror or error}. What is packed so far '
                        'stays; the same command goes on from there.') from error
    try:
        # Mosaics are made small here, so that a training can read them.
        loader = LoadImage() if short_side is None else LoadImage(max_pixels=None)
        image = loader(dict(img_bytes=content))['img'][..., ::-1]
    except UnreadableImage as error:
        return Entry(path, content, str(error))
    if short_side is None or min(image.shape[:2]) <= short_side or _is_deep(content):
        return Entry(path, content)
    factor = short_side / min(image.shape[:2])
    width, height = round(image.shape[1] * factor), round(image.shape[0] * factor)
    if max(width, height) > JPEG_SIDE:
        return Entry(path, content)
    small = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, 'JPEG', quality=quality)
    return Entry(path, file.getvalue())


def _is_deep(content: bytes) -> bool:
    """Whether it is an image of a single channel with more than 8 bits."""
    with open_image(io.BytesIO(content)) as image:
        return image.mode == 'F' or image.mode.startswith('I')


def _in_order(pool: ThreadPoolExecutor, function: Callable, items: Sequence[Any], ahead: int) -> Iterator[Any]:
    """Results in the order of the items, no more than ``ahead`` of them waiting."""
    waiting = []
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    """What goes into a commit each, which depends on the sizes alone."""
    while batch := list(itertools.islice(entries, 1)):
        size = len(batch[0].content)
        while size < COMMIT_BYTES and (more := next(entries, None)) is not None:
            batch.append(more)
            size += len(more.content)
        yield batch
