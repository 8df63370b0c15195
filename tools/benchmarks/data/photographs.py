"""Photographs for a benchmark, made from the two that come with scikit-learn."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from mmsimmim.errors import UserError

QUALITY = 92


def make_photographs(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write JPEG files (quality 92): random crops of the two photographs, half of them flipped, resized to one size.

    Args:
        folder (Path): Where they go; it appears when all of them are written.
        count (int): How many.
        size (tuple[int, int]): Width and height, pixels. Above 640 x 427 they are smoother than photographs are.

    Raises:
        UserError: There is something in the folder already, or scikit-learn is missing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f'--make: {folder} is not empty; give a new folder, or leave --make out to read that one.')
    unfinished = folder.with_name(f'{folder.name}.part')
    photographs = [Image.fromarray(photograph) for photograph in _load()]
    if unfinished.exists():
        shutil.rmtree(unfinished)  # of a run that was interrupted
    unfinished.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for i in range(count):
        _part(photographs[i % 2], size, generator).save(unfinished / f'{i:06}.jpg', quality=QUALITY)
    unfinished.replace(folder)


def _load() -> list[np.ndarray]:
    try:
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise UserError('--make takes scikit-learn, whose photographs it uses: pip install scikit-learn') from error
    return load_sample_images().images


def _part(photograph: Image.Image, size: tuple[int, int], generator: np.random.Generator) -> Image.Image:
    largest = min(whole / wanted for whole, wanted in zip(photograph.size, size))
    width, height = (int(side * largest * generator.uniform(0.7, 1)) for side in size)
    left, top = (int(generator.integers(whole - side + 1)) for whole, side in zip(photograph.size, (width, height)))
    part = photograph.crop((left, top, left + width, top + height)).resize(size, Image.BICUBIC)
    return part.transpose(Image.FLIP_LEFT_RIGHT) if generator.random() < 0.5 else part
