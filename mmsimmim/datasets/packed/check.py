"""Verifying a file of packed images."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ..transforms.loading.load_image import LoadImage, UnreadableImage
from .file import PackedFile, checksum

AT_A_TIME = 256  # images between two lines about progress


def find_faults(path: str, workers: int = 1,
                tell: Callable[[int, int], None] = lambda done, count: None) -> Iterator[str]:
    """Compare each record with its checksum, decode it, and compare the list of images with the records.

    Args:
        path (str): A finished file.
        workers (int): Threads. Defaults to 1.
        tell (Callable): Called now and then with the number of records verified, and of all.

    Yields:
        str: A line for each record with which something is wrong.

    Raises:
        UserError: See :class:`PackedFile`.
    """
    packed = PackedFile(path)
    paths, checksums, unreadable = packed.paths(), packed.checksums(), packed.unreadable()

    def look_at(position: int) -> str:
        name = paths[position]
        content = packed.read(name)
        if content is None:
            return f'{name}: missing'
        if position >= len(checksums) or checksum(content) != checksums[position]:
            return f'{name}: not the {len(content)} bytes that were packed'
        # The content is the one that was packed: what could not be decoded then need not be tried again.
        return '' if name in unreadable else _decode(name, content)

    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, len(paths), AT_A_TIME):
            yield from filter(None, pool.map(look_at, range(first, min(first + AT_A_TIME, len(paths)))))
            tell(min(first + AT_A_TIME, len(paths)), len(paths))
    for name in packed.surplus():
        yield f'{name}: not in the list of images'
    if paths != sorted(paths):
        yield 'the list of images is not in order'
    if not len(paths) == len(checksums) == packed.manifest['count']:
        yield (f'the list has {len(paths)} images, and there are {len(checksums)} checksums; '
               f'{packed.manifest["count"]} images were packed')


def _decode(name: str, content: bytes) -> str:
    try:
        LoadImage()(dict(img_bytes=content))
    except UnreadableImage as error:
        return f'{name}: {error}'
    return ''
