"""The images of a comparison of data loaders: only formats that all pipelines can read."""

import sys
from collections.abc import Sequence
from pathlib import Path

from mmsimmim.datasets.image_folder import IMAGE_SUFFIXES, list_files
from mmsimmim.errors import UserError
from tools.benchmarks.data.pipelines import DECODERS, SUFFIXES

NAMED = 5  # unreadable files in a message


def find_images(folder: Path) -> tuple[list[str], int]:
    """Images below a folder that have one of ``SUFFIXES``.

    Args:
        folder (Path): Searched as by :class:`ImageFolder`.

    Returns:
        tuple[list[str], int]: Their paths, sorted, and how many images of other kinds are left out.

    Raises:
        UserError: There is no such folder, or no such image in it.
    """
    if not folder.is_dir():
        raise UserError(f'{folder} is no folder. Give one with photographs, or --make 256 to have some made there.')
    found = sorted(list_files(str(folder), IMAGE_SUFFIXES))
    files = [str(folder / path) for path in found if path.lower().endswith(SUFFIXES)]
    if not files:
        raise UserError(f'No images in {folder} or the folders below it whose names end in {", ".join(SUFFIXES)}. Give '
                        'a folder with photographs, or --make 256 to have some made there.')
    return files, len(found) - len(files)


def require_readable(files: Sequence[str]) -> None:
    """Decode each file once with each decoder.

    Args:
        files (Sequence[str]): Paths.

    Raises:
        UserError: There are files that a decoder cannot read; it names them.
    """
    faults = [f'{file} ({reason})' for file in files if (reason := _fault(file))]
    if faults:
        more = f', and {len(faults) - NAMED} more' if len(faults) > NAMED else ''
        raise UserError(f'{len(faults)} of {len(files)} images cannot be read by all that are compared: '
                        f'{", ".join(faults[:NAMED])}{more}. Repair them or take them out of the folder.')


def _fault(file: str) -> str | None:
    name = 'the file'
    try:
        content = Path(file).read_bytes()
        for name, decode in DECODERS.items():
            if decode(content) is None:  # OpenCV returns None for it
                return f'{name}: no image'
    except Exception as error:  # noqa: BLE001  (decoders raise nearly every type there is on a broken file)
        return f'{name}: {type(error).__name__}'
    return None


def say_left_out(count: int) -> None:
    """Tell on the error stream that images of other kinds do not take part."""
    if count:
        print(f'{count} images left out: not all pipelines read names that end otherwise than in {", ".join(SUFFIXES)}',
              file=sys.stderr)
