"""Each Python warning once per command, whichever process, data loading worker or change of filters repeats it.

Python shows a warning once for each place in the code, but forgets what it has shown whenever filters change, as torch
and others do while they are imported; and each process begins anew.
"""

import atexit
import contextlib
import hashlib
import os
import shutil
import tempfile
import warnings
from pathlib import Path


def show_warnings_once(launcher: str) -> None:
    """From now on, let no process of this command show what one of them has shown.

    Processes know of each other through files in a temporary folder: workers that are forked from now on, and those
    that one launcher started on this machine.

    Args:
        launcher (str): 'none', or what started several processes.
    """
    show = warnings.showwarning
    if hasattr(show, 'folder'):
        return
    try:
        folder = _make_folder(launcher)
    except OSError:  # a full disk, or no temporary folder: warnings stay as they are
        return

    def show_once(message, category, filename, lineno, file=None, line=None) -> None:
        if file is not None or _is_new(folder, f'{category.__name__} {filename} {lineno} {message}'):
            show(message, category, filename, lineno, file, line)

    show_once.folder = folder
    warnings.showwarning = show_once


def _make_folder(launcher: str) -> Path:
    _remove_abandoned()
    start = None if launcher == 'none' else _start_of(os.getppid())
    if start is None:
        folder = Path(tempfile.mkdtemp(prefix='mmsimmim_warnings_'))
    else:
        folder = Path(tempfile.gettempdir(), f'mmsimmim_warnings_{os.getuid()}_{os.getppid()}_{start}')
        folder.mkdir(mode=0o700, exist_ok=True)
    user = folder / f'process_{os.getpid()}'
    user.touch()
    atexit.register(_leave, user, os.getpid())
    return folder


def _remove_abandoned() -> None:
    """Remove the folders that killed commands left behind."""
    for user in Path(tempfile.gettempdir()).glob('mmsimmim_warnings_*/process_*'):
        pid = user.name.rpartition('_')[2]
        if Path('/proc/self').exists() and not Path('/proc', pid).exists():
            _forget(user)


def _leave(user: Path, pid: int) -> None:
    """The last process that leaves the folder removes it; workers, which are copies of one, do not count."""
    if os.getpid() == pid:
        _forget(user)


def _forget(user: Path) -> None:
    with contextlib.suppress(OSError):  # somebody else's, or removed by another process
        user.unlink(missing_ok=True)
        if not any(user.parent.glob('process_*')):
            shutil.rmtree(user.parent, ignore_errors=True)


def _start_of(pid: int) -> str | None:
    """When a process was started, which no later process of the same number shares; None where Linux is not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]
    except OSError:
        return None


def _is_new(folder: Path, text: str) -> bool:
    try:
        with open(folder / hashlib.sha256(text.encode()).hexdigest(), 'x'):
            return True
    except FileExistsError:
        return False
    except OSError:  # no folder, or a full disk
        return True
