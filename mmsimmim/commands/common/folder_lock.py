"""One run at a time in a work folder."""

import errno
import os
import os.path as osp
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from ...errors import UserError
from ...interruption import RANK_VARIABLES

NAME = '.mmsimmim.lock'
# What lockf raises where another process has the lock.
TAKEN = (errno.EAGAIN, errno.EACCES)


@contextmanager
def locked(folders: Sequence[str], launcher: str = 'none') -> Iterator[list[str]]:
    """Keep other runs out of folders: two in one overwrite each other's checkpoints.

    The first process of a run has a POSIX lock on a file in each folder. The system releases it when that process
    ends, in whatever way, and workers that it has forked do not keep it, so that a run that was killed can be resumed
    at once. NFS passes such locks on between computers.

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
        first = os.environ.get(RANK_VARIABLES.get(launcher, ''), '0') == '0'
        for folder in dict.fromkeys(folder for folder in folders if first and '://' not in folder):
            try:
                file = _open(folder)
            except OSError:  # a folder that cannot be written is told of by what writes into it
                continue
            stack.enter_context(file)
            fault = _lock(folder, file)
            if fault:
                warnings.append(f'{folder} cannot be locked ({fault}). Make sure that no other run writes into it.')
        yield warnings


def _open(folder: str) -> IO[str]:
    os.makedirs(folder, exist_ok=True)
    return open(osp.join(folder, NAME), 'a+', errors='replace')


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
