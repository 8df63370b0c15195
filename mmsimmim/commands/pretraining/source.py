"""Where the images are: a folder, several, a list of paths, or a file of packed images."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...checkpoints.storage import writing
from ...datasets.image_folder import IMAGE_SUFFIXES
from ...datasets.listing import list_files
from ...datasets.subsets import read_list
from ...errors import UserError, shown, why_missing

LISTS = ('.txt', '.lst')
NAME = 'images.txt'

Data = str | os.PathLike | Sequence[str | os.PathLike]


def source_options(data: Data, out: Path) -> dict[str, Any]:
    """The settings with which the config reads the data.

    Args:
        data (Data): A folder; a file of packed images; a text file with a path on each line, absolute or relative to
            that file; or several folders and such text files.
        out (Path): Folder for ``images.txt``, in which the paths of the last two are written down, so that a run that
            is resumed has the same images.

    Returns:
        dict[str, Any]: ``dataset_type``, ``data_root`` and, of a list, ``list_file`` and ``search``.

    Raises:
        UserError: Something of it is not there, or a list is empty.
    """
    places = places_of(data)
    if not places:
        raise UserError('No data were given: a folder of images, several, a text file of paths or a packed file.')
    for place in places:
        if not os.path.exists(place):
            raise UserError(f'{shown(place)} {why_missing(place)}. Give the folder that holds the images.')
    if len(places) == 1 and os.path.isdir(places[0]):
        return dict(dataset_type='mmsimmim.ImageFolder', data_root=places[0])
    if len(places) == 1 and not places[0].lower().endswith(LISTS):
        return dict(dataset_type='mmsimmim.PackedImageFolder', data_root=places[0])
    return _list_options(sorted({path for place in places for path in _files(place)}), places, out)


def places_of(data: Data) -> list[str]:
    """Absolute paths of what was given."""
    return [os.path.abspath(os.fspath(place)) for place in ([data] if isinstance(data, (str, os.PathLike)) else data)]


def first_image(root: str, list_file: str) -> str:
    """Path of the first image in the list of a run, or in one of another config."""
    return os.path.join(root, read_list(list_file)[0])


@contextmanager
def taken_back(out: Path, unless: Path) -> Iterator[None]:
    """Remove ``images.txt``, and the folder made for it, where something fails before there is a config.

    Args:
        out (Path): The folder.
        unless (Path): The config.
    """
    there = out.is_dir()
    try:
        yield
    finally:
        if not unless.is_file():
            with suppress(OSError):
                (out / NAME).unlink()
            if not there:
                with suppress(OSError):
                    out.rmdir()


def _files(place: str) -> Iterator[str]:
    """Absolute paths of the images of a folder or a list."""
    if os.path.isdir(place):
        yield from (os.path.join(place, path) for path in list_files(place, IMAGE_SUFFIXES))
    elif place.lower().endswith(LISTS):
        yield from (os.path.normpath(os.path.join(os.path.dirname(place), path)) for path in read_list(place))
    else:
        raise UserError(f'{shown(place)} is neither a folder nor a text file of paths ({", ".join(LISTS)}). A packed '
                        'file can only be given alone.')


def _list_options(paths: list[str], places: list[str], out: Path) -> dict[str, Any]:
    if not paths:
        raise UserError(f'No images in {", ".join(map(shown, places))}. Looked for names that end in '
                        f'{", ".join(IMAGE_SUFFIXES)}.')
    broken = next((path for path in paths if '\n' in path), None)
    if broken is not None:
        raise UserError(f'{shown(broken)} holds a line break, which a list of paths cannot: rename it.')
    root = os.path.commonpath([os.path.dirname(path) for path in paths])
    target = out / NAME
    temporary = f'{target}.tmp'
    with writing(str(target), temporary):
        out.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'wb') as file:
            file.writelines(os.fsencode(os.path.relpath(path, root)) + b'\n' for path in paths)
        os.replace(temporary, target)
    return dict(dataset_type='mmsimmim.ImageFolder', data_root=root, list_file=str(target), search=False)
