"""Which of a folder's files a dataset takes: one side of a split, those of a list, a fraction.

All of it depends on relative paths alone: not on where the folder lies, on the machine, or on the order of the files.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..errors import UserError, why_missing


def choose_split(paths: list[str], split: str | None, val_ratio: float) -> list[str]:
    """Keep one side of a split that a hash of each path decides.

    Args:
        paths (list[str]): All paths.
        split (str, optional): 'train', 'val' or None for all.
        val_ratio (float): Expected share of 'val'. If it catches none, the path with the smallest hash goes there.

    Returns:
        list[str]: The chosen ones, in the given order.
    """
    if split is None:
        return paths
    positions = [position(path) for path in paths]
    border = max(val_ratio, min(positions))
    return [path for path, position in zip(paths, positions) if (position <= border) == (split == 'val')]


def choose_fraction(paths: list[str], fraction: float, seed: int,
                    group_of: Callable[[str], str] = os.path.dirname) -> list[str]:
    """Keep the same share of each folder: of its n files the ``fraction * n`` with the smallest hashes.

    A share that is not a whole number is rounded up or down as a hash of the folder's name decides, up as often as
    it takes for folders of one or two files to give their share, too. A larger fraction contains a smaller one of the
    same seed. Hashes are others than those of :func:`choose_split`, so that the two choices are unrelated.

    Args:
        paths (list[str]): All paths.
        fraction (float): Share to keep, in (0, 1].
        seed (int): Another one, another choice; 64 bits.
        group_of (Callable): The name of what gives its share, from a path. Defaults to the folder that the file is in.

    Returns:
        list[str]: The chosen ones, in the given order.
    """
    if fraction == 1:
        return paths
    numbers: dict[str, int] = {}
    groups = np.fromiter((numbers.setdefault(group_of(path), len(numbers)) for path in paths), np.int64, len(paths))
    hashes = np.fromiter((path_hash(path, b'fraction', seed) for path in paths), np.uint64, len(paths))
    sizes = np.bincount(groups)
    round_up = np.array([path_hash(name, b'rounding', seed) / 2**64 for name in numbers])
    shares = np.minimum(np.floor(fraction * sizes + round_up), sizes)
    order = np.lexsort((hashes, groups))
    ranks = np.empty(len(paths), np.int64)
    ranks[order] = np.arange(len(paths)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return [paths[index] for index in np.flatnonzero(ranks < shares[groups])]


def read_list(list_file: str) -> list[str]:
    """The paths of a list as they stand there, sorted, each once.

    Args:
        list_file (str): A text file with a path on each line.

    Raises:
        UserError: The list cannot be read, or is empty.
    """
    return sorted({os.path.normpath(line) for line in _read_lines(list_file)})


def choose_listed(paths: list[str], known: Sequence[str], list_file: str) -> list[str]:
    """Keep the files that a list names.

    Args:
        paths (list[str]): What may be kept.
        known (Sequence[str]): All that the list may name, ``paths`` among them.
        list_file (str): A text file with a path below the folder on each line; a number behind it, a label, is
            ignored. A name without a folder stands for the one file of this name.

    Returns:
        list[str]: The chosen ones, in the given order.

    Raises:
        UserError: The list cannot be read, is empty, or names what is not there or there more than once.
    """
    lines = _read_lines(list_file)
    listed, missing = set(), []
    places = _Places(known, list_file)
    for line in lines:
        path = places.find(line)
        missing.append(line) if path is None else listed.add(path)
    if missing:
        raise UserError(f'list_file {list_file}: {len(missing)} of {len(lines)} files are not in the folder, such as '
                        f'{", ".join(missing[:5])}. Each line is a path below data_root.')
    return [path for path in paths if path in listed]


class _Places:
    """Finds files by their path, or by their name alone where only one has it."""

    def __init__(self, paths: Sequence[str], list_file: str) -> None:
        self._paths = set(paths)
        self._by_name: dict[str, list[str]] | None = None
        self._list_file = list_file

    def find(self, line: str) -> str | None:
        """The path that a line of a list stands for; None if there is no such file."""
        for text in _readings(line):
            path = os.path.normpath(text)
            if path in self._paths:
                return path
        names = [text for text in _readings(line) if os.sep not in text]
        return next(filter(None, map(self._with_name, names)), None)

    def _with_name(self, name: str) -> str | None:
        if self._by_name is None:
            self._by_name = {}
            for path in self._paths:
                self._by_name.setdefault(os.path.basename(path), []).append(path)
        found = sorted(self._by_name.get(name, ()))
        if len(found) > 1:
            raise UserError(f'list_file {self._list_file}: {name} is the name of {len(found)} files, {found[0]} and '
                            f'{found[1]} among them. Give the path below data_root.')
        return found[0] if found else None


def _readings(line: str) -> Iterator[str]:
    """What a line may mean: a path, or a path and a label."""
    yield line
    labelled = re.fullmatch(r'(.*\S)\s+\d+', line)
    if labelled:
        yield labelled[1]


def _read_lines(list_file: str) -> list[str]:
    if not isinstance(list_file, (str, os.PathLike)):  # open() takes numbers for files that are open already
        raise UserError(f'list_file must be a path, got {list_file!r}.')
    try:
        with open(list_file, 'rb') as file:
            content = os.fsdecode(file.read().removeprefix(b'\xef\xbb\xbf'))
    except OSError as error:
        reason = why_missing(list_file) if isinstance(error, FileNotFoundError) else f'cannot be read: {error.strerror}'
        raise UserError(f'list_file {list_file} {reason}.') from error
    lines = [line.strip().replace('/', os.sep) for line in content.split('\n') if line.strip()]
    if not lines:
        raise UserError(f'list_file {list_file} is empty. Each line is a path below data_root.')
    return lines


def position(path: str) -> float:
    """A number in [0, 1), uniform over paths and the same on every system."""
    return path_hash(path) / 2**64


def path_hash(path: str, purpose: bytes = b'', seed: int = 0) -> int:
    """A 64-bit hash of a path, the same on every system.

    Args:
        path (str): Relative.
        purpose (bytes): What it is for, at most 16 bytes: hashes of different purposes are unrelated. Defaults to none.
        seed (int): Likewise; 64 bits. Defaults to 0.
    """
    name = os.fsencode(path.replace(os.sep, '/'))
    digest = hashlib.blake2b(name, digest_size=8, person=purpose, salt=seed.to_bytes(8, 'little'))
    return int.from_bytes(digest.digest(), 'big')
