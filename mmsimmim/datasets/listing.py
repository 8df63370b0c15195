"""Which files there are in a folder and below it."""

import errno
import os
from collections.abc import Iterator

from mmengine.logging import print_log

from ..errors import shown
from .transforms.loading.image_bytes import NO_FILE


def list_files(root: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Walk a folder and all below it, linked ones included, entering each real folder once.

    Pipes, devices and sockets are left out, and what cannot be looked up or listed, such as circular links. The log
    names each. A link to a file that is not there counts as a file, whose reader says so.

    Args:
        root (str): The folder.
        suffixes (tuple[str]): Lower-case endings of the wanted names, with the dot.

    Yields:
        str: Path relative to ``root``.
    """
    seen = set()
    pending = ['']
    while pending:
        folder = pending.pop()
        try:
            real = os.stat(os.path.join(root, folder))
            if (real.st_dev, real.st_ino) in seen:
                continue
            seen.add((real.st_dev, real.st_ino))
            files, folders = _scan(root, folder, suffixes)
        except OSError as error:  # gone meanwhile, not permitted, or the storage failed
            _leave_out(os.path.join(root, folder), error)
            continue
        yield from files
        # Popped from the end: in sorted order, so that the file system does not decide by which of two paths a
        # folder is reached first.
        pending.extend(sorted(folders, reverse=True))


def list_folders(root: str) -> list[str]:
    """Names of the folders in a folder, sorted, without those that begin with a dot; each may be a link to one."""
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith('.') and _is_folder(entry))


def _scan(root: str, folder: str, suffixes: tuple[str, ...]) -> tuple[list[str], list[str]]:
    files, folders = [], []
    with os.scandir(os.path.join(root, folder)) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            try:
                if entry.is_dir():
                    folders.append(os.path.join(folder, entry.name))
                elif entry.name.lower().endswith(suffixes):
                    _require_file(entry)
                    files.append(os.path.join(folder, entry.name))
            except OSError as error:
                _leave_out(entry.path, error)
    return files, folders


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        _leave_out(entry.path, error)
        return False


def _require_file(entry: os.DirEntry) -> None:
    if not entry.is_file() and not (entry.is_symlink() and not os.path.exists(entry.path)):
        raise OSError(errno.EINVAL, NO_FILE)


def _leave_out(path: str, error: OSError) -> None:
    print_log(f'{shown(path)} is left out: {shown(error.strerror or error)}.', logger='current', level=30)
