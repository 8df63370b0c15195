"""One run at a time in a work folder."""

import errno
import os
import os.path as osp
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from ...errors import UserError
from ...interruption import RANK_VARIABLES
from .traces import missing_folders, remove_empty

NAME = '.mmsimmim.lock'
# What lockf raises where another process has the lock.
TAKEN = (errno.EAGAIN, errno.EACCES)


@contextmanager
def locked(folders: Sequence[str], launcher: str = 'none') -> Iterator[list[str]]:
    """Keep other runs out of folders: two in one overwrite each other's checkpoints.

    The first process of a run has a POSIX lock on a file in each folder. The system releases it when that process
    ends, in whatever way, and workers that it has forked do not keep it, so that a run that was killed can be resumed
    at once. NFS passes such locks on between computers. In the end the file is removed, and each folder that was made
    for it and is empty.

    Args:
        folders (Sequence[str]): They are made if they are not there. Addresses (with '://') are left alone.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'. Defaults to 'none'.

    Yields:
        list[str]: A warning for each folder that cannot be locked, such as on a file system without locks.

    Raises:
        UserError: Another run is at work in one of them; the message says which.
    """
    with ExitStack() as stack:
        warnings = []
        for folder in dict.fromkeys(folder for folder in folders if is_first(launcher) and '://' not in folder):
            stack.callback(remove_empty, missing_folders(folder))
            try:
                file = _open(folder)
            except OSError:  # a folder that cannot be written is told of by what writes into it
                continue
            stack.enter_context(file)
            fault = _lock(folder, file)
            while fault is None and not _is_in_place(folder, file):  # another run has ended meanwhile
                file = stack.enter_context(_open(folder))
                fault = _lock(folder, file)
            if fault:
                warnings.append(f'{folder} cannot be locked ({fault}). Make sure that no other run writes into it.')
            stack.callback(_remove, folder, file)
        yield warnings


def is_first(launcher: str) -> bool:
    """Whether this is the first process of a run, by the environment that its launcher gives it."""
    return os.environ.get(RANK_VARIABLES.get(launcher, ''), '0') == '0'


def _open(folder: str) -> IO[str]:
    while True:
        os.makedirs(folder, exist_ok=True)
        with suppress(FileNotFoundError):  # a run that ended has just removed the folder
            return open(osp.join(folder, NAME), 'a+', errors='replace')


def _is_in_place(folder: str, file: IO[str]) -> bool:
    """Whether the file still has its name."""
    try:
        return osp.samestat(os.fstat(file.fileno()), os.stat(osp.join(folder, NAME)))
    except OSError:
        return False


def _remove(folder: str, file: IO[str]) -> None:
    """Remove the file as long as it is locked, so that it is nobody else's."""
    with suppress(OSError):
        if _is_in_place(folder, file):
            os.remove(osp.join(folder, NAME))


def _lock(folder: str, file: IO[str]) -> str | None:
    """Lock a file and note this process in it; what the system says if it cannot."""
    if fcntl is None:
        return 'this system has no such locks'
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in TAKEN:
            return error.strerror
        file.seek(0)
        owner = ''.join(filter(str.isprintable, file.read(300))) or 'another process'
        raise UserError(f'{folder} is in use by {owner}; two runs in one folder overwrite each other. Wait for that '
                        'one or end it, or give another folder: --work-dir PATH') from error
    file.truncate(0)
    print(f'process {os.getpid()} on {platform.node()} since {time.strftime("%Y-%m-%d %H:%M:%S")}', end='', file=file,
          flush=True)
    return None
