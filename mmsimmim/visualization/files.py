"""Input image files, and output files."""

import os
import sys
from collections.abc import Iterator

import numpy as np
from PIL import Image

from ..datasets.image_folder import IMAGE_SUFFIXES, list_files
from ..errors import UserError, shown
from .pictures import PictureLoader


def find_images(place: str, num: int) -> list[str]:
    """The image itself, or some images of a folder, evenly spread over the sorted paths.

    Args:
        place (str): An image or a folder, which is searched with all below it.
        num (int): How many at most; the argument ``--num``.

    Returns:
        list[str]: Their paths.

    Raises:
        UserError: If there is no such place, no image in it, or ``num`` is below 1.
    """
    if num < 1:
        raise UserError(f'--num must be at least 1, got {num}.')
    if os.path.isfile(place):
        return [place]
    if not os.path.isdir(place):
        raise UserError(f'There is no image or folder {place} (working folder: {os.getcwd()}).')
    found = sorted(list_files(place, IMAGE_SUFFIXES))
    if not found:
        raise UserError(f'No images in {place} or the folders below it. Looked for names that end in '
                        f'{", ".join(IMAGE_SUFFIXES)}.')
    chosen = np.linspace(0, len(found) - 1, min(num, len(found))).round().astype(int)
    return [os.path.join(place, found[i]) for i in chosen]


def load_all(loader: PictureLoader, paths: list[str]) -> Iterator[tuple[str, int, dict]]:
    """Each readable image; the others are named on stderr.

    Args:
        loader (PictureLoader): Reads and masks.
        paths (list[str]): The files.

    Yields:
        tuple[str, int, dict]: Path, its number among all paths, and the batch of one that the loader gives.

    Raises:
        UserError: If none can be read.
    """
    unreadable = []
    for index, path in enumerate(paths):
        try:
            batch = loader(path, index)
        except UserError as error:
            unreadable.append(str(error))
            if len(paths) > 1:
                print(f'left out: {shown(error)}', file=sys.stderr)
            continue
        yield path, index, batch
    if len(unreadable) == len(paths):
        raise UserError('None of the images can be read.' if len(paths) > 1 else unreadable[0])


def check_target(out: str | None, paths: list[str]) -> None:
    """Refuse an output file that is no PNG, or that is one of the images.

    Args:
        out (str | None): Value of the argument ``--out``.
        paths (list[str]): The images.

    Raises:
        UserError: If it is refused.
    """
    if out is None:
        return
    if not out.lower().endswith('.png'):
        raise UserError(f'--out {out} must end in .png.')
    if os.path.realpath(out) in map(os.path.realpath, paths):
        raise UserError(f'--out {out} would overwrite an image to be drawn.')


def target_path(path: str, place: str, out_dir: str, paths: list[str], ending: str) -> str:
    """The output path of an image: below ``out_dir`` as the image below the folder.

    Args:
        path (str): The image.
        place (str): The image or the folder that the user named.
        out_dir (str): Folder of the output.
        paths (list[str]): All images, to tell ``a.jpg`` from ``a.png`` beside it.
        ending (str): What follows the image's name, with the suffix.

    Returns:
        str: The path.
    """
    stem = os.path.splitext(path)[0]
    if sum(os.path.splitext(other)[0] == stem for other in paths) > 1:
        stem = path
    relative = os.path.basename(stem) if os.path.isfile(place) else os.path.relpath(stem, place)
    return os.path.join(out_dir, f'{relative}{ending}')


def write_picture(path: str, picture: np.ndarray) -> str:
    """Write a picture, uint8, shape (H, W, 3), making its folder; the path as it can be printed, or UserError."""
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        Image.fromarray(picture).save(path)
    except OSError as error:
        raise UserError(f'Cannot write {path}: {error.strerror or error}') from error
    return shown(path)


def write_file(path: str | os.PathLike, content: bytes) -> None:
    """Write a file, making its folder; UserError if that cannot be done."""
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with open(path, 'wb') as file:
            file.write(content)
    except OSError as error:
        raise UserError(f'Cannot write {path}: {error.strerror or error}') from error
