"""What a disk says that does not take a file, and what to do about it."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..errors import UserError

RESUME = 'then --resume goes on from the last complete checkpoint.'
ADVICE = {
    errno.ENOSPC: f'Make room there, or give another folder with --work-dir; {RESUME}',
    errno.EDQUOT: f'Make room within your quota, or give another folder with --work-dir; {RESUME}',
    errno.EFBIG: f'Lift the limit on the size of files (ulimit -f), or give another --work-dir; {RESUME}',
    errno.EROFS: 'The file system is mounted read-only: give another folder with --work-dir.',
    errno.EACCES: 'Let this user write there, or give another folder with --work-dir.',
    errno.EPERM: 'Let this user write there, or give another folder with --work-dir.',
    errno.ENOTDIR: 'A file is where a folder should be: move it, or give another folder with --work-dir.',
    errno.EEXIST: 'A file is where a folder should be: move it, or give another folder with --work-dir.',
    errno.EISDIR: 'A folder is where the file should be: move it, or give another folder with --work-dir.',
}
# These come from writing alone.
WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def why_not_written(error: BaseException, path: str | None = None) -> str | None:
    """The sentence for an error of writing; None for any other.

    Args:
        error (BaseException): What was raised.
        path (str, optional): What was being written. Defaults to None: the file that the error names, and only errors
            that come from writing are told.

    Returns:
        str | None: Path, reason, space left and what to do.
    """
    known = ADVICE if path else WRITING
    if not isinstance(error, OSError) or error.errno not in known:
        return None
    place = path or str(error.filename or os.getcwd())
    what = place if path or error.filename else f'A file (working folder: {place})'
    return (f'{what} cannot be written: {os.strerror(error.errno)} ({free_space(place)} left on its disk). '
            f'{ADVICE[error.errno]}')


def free_space(path: str) -> str:
    """Space left on the disk of a file or folder, which need not exist."""
    try:
        free = shutil.disk_usage(_existing(path)).free
    except OSError:
        return 'unknown space'
    return f'{free / 2**30:.1f} GiB' if free >= 2**30 else f'{free / 2**20:.1f} MiB'


def check_folder(path: str) -> None:
    """Make sure that files can be written in a folder, without making it.

    Args:
        path (str): The folder. It need not exist.

    Raises:
        UserError: It is a file, or below one, or this user may not write there.
    """
    place = _existing(path)
    code = errno.ENOTDIR if not os.path.isdir(place) else None if os.access(place, os.W_OK | os.X_OK) else errno.EACCES
    if code is not None:
        raise UserError(why_not_written(OSError(code, ''), path if place == path else f'{path} (below {place})'))


@contextmanager
def writing(path: str, temporary: str) -> Iterator[None]:
    """Turn errors of the disk into a sentence, and leave no part of a file behind.

    Args:
        path (str): The file.
        temporary (str): Its name as long as it is not complete; removed if anything goes wrong.

    Raises:
        UserError: The disk does not take it.
    """
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            os.remove(temporary)
        sentence = why_not_written(error, path)
        if sentence is None:
            raise
        raise UserError(sentence) from error


def sync_folder(path: str) -> None:
    """Force the names in a folder to the disk: without it a power loss may take back that a file was renamed.

    Args:
        path (str): The folder; '' for the working folder. Systems and file systems that cannot do it are left alone.
    """
    with suppress(OSError):
        descriptor = os.open(path or '.', os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _existing(path: str) -> str:
    """The path, or the nearest folder above it that there is."""
    while path and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path or '.'
