"""Signals that end a run: what Slurm and spot instances send before they kill, and the user's Ctrl-C.

Exit statuses of a command that trains: 0 it finished; 1 a mistake or a fault; 2 wrong arguments; :data:`RESUMABLE` it
was interrupted by SIGTERM, SIGHUP or SIGUSR1 and ``--resume`` goes on where it stopped; 130 it was ended by SIGINT;
128 + n it was ended at once by a second signal, of number n.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# EX_TEMPFAIL of sysexits.h: try again.
RESUMABLE = 75
ENDED_BY_USER = 128 + signal.SIGINT
# After these a run saves its state. Windows does not have all of them.
SAVING = tuple(getattr(signal, name) for name in ('SIGTERM', 'SIGHUP', 'SIGUSR1') if hasattr(signal, name))
# Seconds within which further signals are the same event: Slurm's srun and terminals send several for one.
SAME_EVENT = 1.0
# The environment variable in which each launcher numbers the processes.
RANK_VARIABLES = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')


class Interrupted(SystemExit):
    """The end of a run that a signal asked for; the process exits with :data:`RESUMABLE` and without a traceback.

    Args:
        together (bool): Whether all processes of the run end so at the same place. Defaults to False.
    """

    def __init__(self, together: bool = False) -> None:
        super().__init__(RESUMABLE)
        self.together = together


class _Watch:
    """What has arrived in this process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.first: signal.Signals | None = None
        self.since = 0.0
        # Whether the program looks at requested() itself, and is not to be stopped where it is.
        self.looks = False
        self.before: dict[signal.Signals, object] = {}
        self.excepthook = sys.excepthook


_watch: _Watch | None = None


@contextmanager
def handled_signals(with_sigint: bool = True) -> Iterator[None]:
    """Take the signals over; nothing changes where they are taken already.

    A first one ends the run with a sentence, at once or where the run says so (:func:`looks_for_signals`); one that
    comes more than a second later ends the process at once. Signals that are ignored, as under ``nohup``, or that the
    program handles otherwise are left alone. Processes that load data let the first one pass.

    Args:
        with_sigint (bool): SIGINT too, which never waits. Defaults to True.
    """
    if _watch is not None and _watch.process == os.getpid():
        yield
        return
    take_signals(with_sigint)
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as end:
        traceback.clear_frames(end.__traceback__)  # iterators over data end their processes then
        raise
    except Exception as error:
        # Code with a bare except, such as the formatter of configs, makes another error of the end that was asked for.
        if requested() is None or _watch.looks and requested() is not signal.SIGINT:
            raise
        traceback.clear_frames(error.__traceback__)
        raise (KeyboardInterrupt if requested() is signal.SIGINT else Interrupted) from None
    finally:
        release_signals()


def release_signals() -> None:
    """Give the signals back to what handled them before."""
    global _watch
    if _watch is None:
        return
    sys.excepthook = _watch.excepthook
    for number, handler in _watch.before.items():
        signal.signal(number, handler)
    _watch = None


def take_signals(with_sigint: bool = False) -> None:
    """As :func:`handled_signals`, until :func:`release_signals` or the end of the process."""
    global _watch
    if _watch is not None and _watch.process == os.getpid():
        return
    _watch = _Watch()
    sys.excepthook = _show_error
    for number in (*SAVING, *([signal.SIGINT] if with_sigint else [])):
        before = signal.getsignal(number)
        if before not in (signal.SIG_DFL, signal.default_int_handler):
            continue
        try:
            signal.signal(number, _handle)
        except ValueError:  # not the main thread
            return
        _watch.before[number] = before


def requested() -> signal.Signals | None:
    """The signal that asked this process to save and end."""
    return _watch.first if _watch is not None else None


def looks_for_signals(looks: bool) -> None:
    """Say whether the program looks at :func:`requested` from now on, after which it ends by itself.

    Args:
        looks (bool): If not, a signal ends it where it is.
    """
    if _watch is not None:
        _watch.looks = looks


def ignore_signals() -> None:
    """Let nothing disturb the last moments of a process: a launcher ends all when one has ended."""
    for number in _watch.before if _watch is not None else ():
        signal.signal(number, signal.SIG_IGN)


class LoadingProcess:
    """A ``worker_init_fn`` after which a process that loads data lets the first signal of each number pass.

    PyTorch has it die of a SIGTERM that does not come from the training, and with it the training.

    Args:
        then (Callable, optional): Another such function.
    """

    def __init__(self, then: Callable[[int], None] | None) -> None:
        self.then = then

    def __call__(self, worker_id: int) -> None:
        for number in {*SAVING, signal.SIGINT} - {signal.SIGTERM}:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _handle)
        if hasattr(signal, 'sigwaitinfo'):  # Linux
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            threading.Thread(target=_await_sigterm, args=(os.getppid(), ), daemon=True).start()
        if self.then is not None:
            self.then(worker_id)


def _await_sigterm(parent: int) -> None:
    """End a process that loads data when the training says so, or at the second signal of others."""
    if signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        signal.sigwaitinfo({signal.SIGTERM})
    os._exit(0)


def let_loader_live(loader: Any) -> None:
    """Let the processes of a data loader that has not begun outlive the first signal.

    Args:
        loader (DataLoader): Changed in place.
    """
    if not isinstance(loader.worker_init_fn, LoadingProcess):
        loader.worker_init_fn = LoadingProcess(loader.worker_init_fn)


def is_first_process() -> bool:
    """Whether this process is the one of a run that speaks, before the processes are connected."""
    return all(os.environ.get(name, '0') == '0' for name in RANK_VARIABLES.values())


def _show_error(kind: type, error: BaseException, trace: object) -> None:
    """As before, except that a process that loads data does not complain that nobody takes it any more."""
    if os.getpid() == _watch.process or not issubclass(kind, (ConnectionError, EOFError)):
        _watch.excepthook(kind, error, trace)


def _handle(number: int, frame: FrameType | None) -> None:
    if _watch is None or os.getpid() != _watch.process:
        # A process that loads data: its run decides, unless it gets no end otherwise.
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
        return
    if _watch.first is not None:
        if time.monotonic() - _watch.since > SAME_EVENT:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return
    _watch.first, _watch.since = signal.Signals(number), time.monotonic()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if not _watch.looks:
        if is_first_process():
            os.write(2, (
                f'\nInterrupted by {_watch.first.name} outside the training: there is nothing new to save, and '
                '--resume goes on from the last checkpoint.\n').encode())
        raise Interrupted
