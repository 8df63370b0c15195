"""The checkpoint to resume from: the last complete one."""

import os
import re
import zipfile
from collections.abc import Sequence

from ...errors import UserError
from ..reading.checksums import find_broken_part
from ..reading.files import read_file


def find_checkpoint(folders: Sequence[str]) -> tuple[str | None, list[str]]:
    """Find the last complete checkpoint of a run.

    MMEngine's note ``last_checkpoint`` names it, unless a kill came between: the note may then be empty, name a file
    that is gone or truncated, or be one checkpoint behind.

    Args:
        folders (Sequence[str]): The work folder, and where else checkpoints are written.

    Returns:
        tuple[str | None, list[str]]: The path, in one of the folders, or None if there is no complete one; and a
        message for each skipped file.
    """
    messages = _warn_of_others(folders)
    for path in _by_age(folders):
        fault = find_fault(path)
        if fault is None:
            return path, messages
        messages.append(f'The checkpoint {path} is not used: {fault}.')
    return None, messages


def find_fault(path: str) -> str | None:
    """Read a whole checkpoint and compare its checksums, unless :data:`~.checksums.SWITCH` is set.

    Args:
        path (str): A file of ``torch.save`` or safetensors.

    Returns:
        str | None: What is wrong with the file, or None if it is intact.
    """
    try:
        if not zipfile.is_zipfile(path):
            return _find_other_fault(path)
        broken = find_broken_part(path)
    except Exception as error:  # zipfile and zlib raise several types on a broken file.
        return f'it is cut off or not a checkpoint ({error or type(error).__name__})'
    return f'its part {broken!r} does not match its checksum' if broken else None


def _find_other_fault(path: str) -> str | None:
    try:
        read_file(path)
    except UserError as error:
        return 'it ' + str(error).removeprefix(f'{path} ').rstrip('. ')
    return None


def _by_age(folders: Sequence[str]) -> list[str]:
    """Checkpoints of epochs or iterations, the newest first."""
    paths = [os.path.join(folder, name) for folder in dict.fromkeys(folders) if os.path.isdir(folder)
             for name in os.listdir(folder) if _step(name) is not None]
    paths.sort(key=_written, reverse=True)
    noted = _noted(folders)
    if noted is None:
        return paths
    # Copying a folder mixes up the times, and a run resumed from far back leaves larger numbers behind. Only a file
    # that is later in both respects is later than the noted one.
    newer = [path for path in paths if _step(path) > (_step(noted) or 0) and _written(path) > _written(noted)]
    return list(dict.fromkeys([*newer, noted, *paths]))


def _noted(folders: Sequence[str]) -> str | None:
    """The file of the run that MMEngine's note names, also after its folder was moved or copied."""
    path = _read_note(folders[0])
    places = [os.path.join(folder, os.path.basename(path)) for folder in folders] if path else []
    places = [place for place in places if os.path.isfile(place)]
    same = [place for place in places if os.path.realpath(place) == os.path.realpath(path)]
    return next(iter([*same, *places]), None)


def _warn_of_others(folders: Sequence[str]) -> list[str]:
    """A message, if the note names a checkpoint that is elsewhere only."""
    path = _read_note(folders[0])
    if path is None or not os.path.isfile(path) or _noted(folders):
        return []
    return [f'The checkpoint {path}, which last_checkpoint in {folders[0]} names, is not used, as it lies in another '
            f'folder. To go on from it: --resume {path}']


def _read_note(folder: str) -> str | None:
    note = os.path.join(folder, 'last_checkpoint')
    if not os.path.isfile(note):
        return None
    with open(note, errors='replace') as file:
        path = file.read().strip()
    return path if path and '\0' not in path else None  # no path has zeros, and a look at one with them raises


def _step(path: str) -> int | None:
    match = re.fullmatch(r'(?!best_).*?(\d+)\.pth', os.path.basename(path))
    return int(match[1]) if match else None


def _written(path: str) -> int:
    return os.stat(path).st_mtime_ns
