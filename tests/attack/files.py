"""Damaged files of each format that the program reads from a disk; checkpoints are a subject of their own."""

import contextlib
import resource
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from .apart import run_apart
from .damage import damage_bytes
from .data_files import FILES, import_all
from .image_files import image_files, photograph, use_image, with_other_header
from .outcomes import Attempt, Outcome

MEMORY = 2 * 2**30  # bytes that an attempt may take in addition: more is a bomb
SECONDS = 30


def attack(seed: int, tries: int, folder: Path) -> Iterator[Attempt]:
    """Damage a file of each kind in turn, and let the program read it.

    Args:
        seed (int): Of the damage.
        tries (int): How many.
        folder (Path): Empty.

    Yields:
        Attempt: One for each.
    """
    torch.set_num_threads(1)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)  # what is removed there is not lost
    try:
        yield from _attack(seed, tries, folder)
    finally:
        tempfile.tempdir = before


def _attack(seed: int, tries: int, folder: Path) -> Iterator[Attempt]:
    subjects = [*_images(folder), *_data_files(folder)]
    for number in range(tries):
        name, path, whole, damage, use, named = subjects[number % len(subjects)]
        data, what = damage(whole, np.random.default_rng((seed, number)))
        path.write_bytes(data)
        outcome, detail = run_apart(lambda path=path, use=use: _limited(use, path), SECONDS, folder)
        if named and outcome is Outcome.CLEAR and path.name not in detail:
            outcome, detail = Outcome.CRASH, f'does not name the file: {detail}'
        yield Attempt(name, f'seed {seed}, number {number}: {what}', outcome, detail)
        path.write_bytes(whole)


def _limited(use: Callable[[Path], None], path: Path) -> None:
    with open('/proc/self/statm') as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    warnings.simplefilter('ignore')
    use(path)


def _images(folder: Path) -> Iterator[tuple]:
    for number, (name, (suffix, data)) in enumerate(image_files().items()):
        place = folder / f'images{number}'
        place.mkdir()
        photograph(9, (40, 40)).save(place / 'good.png')
        yield name, place / f'damaged{suffix}', data, _damage_image, _use_image, True


def _use_image(path: Path) -> None:
    use_image(path.parent, path.name)


def _damage_image(data: bytes, random: np.random.Generator) -> tuple[bytes, str]:
    if random.random() < 0.25:
        with contextlib.suppress(IndexError):
            return with_other_header(data, random), 'another size in the header'
    return damage_bytes(data, random)


def _data_files(folder: Path) -> Iterator[tuple]:
    import_all()
    for number, (name, kind) in enumerate(FILES.items()):
        place = folder / f'data{number}'
        place.mkdir()
        path = kind.make(place)
        yield name, path, path.read_bytes(), kind.damage, kind.use, kind.named
