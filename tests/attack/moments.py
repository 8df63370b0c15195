"""Where a run is killed: at any file that it writes, any hook, any image that it reads, or any moment."""

import os
import signal
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mmengine.runner import Runner
from torch.utils.data import get_worker_info

from mmsimmim.datasets import ImageFolder

from .runs import Progress

# Place of each kind among the counts of a run: how often there is such a moment in it.
KINDS = ('file', 'half-written', 'hook', 'image', 'worker')
# Events of the interpreter that change what is in a folder.
CHANGES = ('os.rename', 'os.remove', 'os.mkdir', 'os.rmdir', 'os.truncate')


def counting(progress: Progress, folder: Path, rank: int) -> None:
    """Count the moments of an undisturbed run."""
    if rank == 0:
        for place, kind in enumerate(KINDS):
            install(kind, partial(_count, progress, place), folder)


def dying(kind: str, number: int, folder: Path, victim: int, rank: int) -> None:
    """Let a process of a run die by SIGKILL the n-th time that there is a moment of a kind."""
    left = number

    def act(*args: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            if kind == 'half-written':
                os.ftruncate(args[0], os.fstat(args[0]).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    if rank == victim:
        install(kind, act, folder)


def install(kind: str, act: Callable, folder: Path) -> None:
    """Call a function at each moment of a kind, in this process.

    Args:
        kind (str): 'file' (before the folder changes: a file is opened to be written, renamed or removed),
            'half-written' (before a file is forced to the disk; the function gets its descriptor), 'hook' (before any
            hook of the runner is called), 'image' (an image is read, in whatever process), 'worker' (likewise, in a
            data worker).
        act (Callable): The function.
        folder (Path): The run's own.
    """
    dict(file=_at_files, hook=_at_hooks, image=_at_images, worker=partial(_at_images, workers=True),
         **{'half-written': _at_fsync})[kind](act, folder)


def _at_files(act: Callable, folder: Path) -> None:
    def note(event: str, args: tuple) -> None:
        if changes(event, args, folder):
            act()

    sys.addaudithook(note)


def changes(event: str, args: tuple, folder: Path) -> bool:
    """Whether an event of the interpreter is about to change a folder."""
    if event not in CHANGES and not (event == 'open' and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
        return False
    return isinstance(args[0], (str, bytes, os.PathLike)) and os.fsdecode(args[0]).startswith(str(folder))


def _at_fsync(act: Callable, folder: Path) -> None:
    fsync = os.fsync

    def wrapped(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            act(descriptor)
        fsync(descriptor)

    os.fsync = wrapped


def _at_hooks(act: Callable, folder: Path) -> None:
    call_hook = Runner.call_hook

    def wrapped(runner, name, **kwargs):
        act()
        call_hook(runner, name, **kwargs)

    Runner.call_hook = wrapped


def _at_images(act: Callable, folder: Path, workers: bool = False) -> None:
    get = ImageFolder.__getitem__

    def wrapped(self, index):
        if not workers or get_worker_info() is not None:
            act()
        return get(self, index)

    ImageFolder.__getitem__ = wrapped


def _count(progress: Progress, place: int, *args: object) -> None:
    progress[place] += 1
