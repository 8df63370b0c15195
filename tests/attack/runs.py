"""Trainings in forked processes that have everything imported: an attempt on one costs a second, not ten."""

import contextlib
import mmap
import multiprocessing
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib import import_module
from multiprocessing import util
from pathlib import Path

import torch
from mmengine.config import config
from mmengine.runner import Runner

import mmsimmim  # noqa: F401  (repairs before what follows)
from mmsimmim.commands import train as command

CONFIG = Path(__file__).parents[1] / 'commands' / 'tiny_config.py'
# Of a run in several processes; a launcher sets it.
RENDEZVOUS = dict(MASTER_ADDR='127.0.0.1')


class Progress:
    """Numbers that a run and whoever watches it share: they outlive a kill.

    Attributes:
        begun (int): The iterations done when the first step of the run began; -1 before that.
        done (int): The iterations done.
        counts (list[int]): What :mod:`.moments` counts, and whatever else an attack keeps.
    """

    def __init__(self) -> None:
        self._numbers = memoryview(mmap.mmap(-1, 256)).cast('q')
        self.begun = -1

    begun = property(lambda self: self._numbers[0], lambda self, value: self._set(0, value))
    done = property(lambda self: self._numbers[1], lambda self, value: self._set(1, value))

    def __getitem__(self, place: int) -> int:
        return self._numbers[2 + place]

    def __setitem__(self, place: int, value: int) -> None:
        self._set(2 + place, value)

    def _set(self, place: int, value: int) -> None:
        self._numbers[place] = value


def warm_up(arguments: list[str], folder: Path) -> None:
    """Import in this process whatever a training does, by what one in another process has."""
    names = folder / 'modules.txt'

    def prepare(rank: int) -> None:
        util.Finalize(None, lambda: names.write_text('\n'.join(sys.modules)), exitpriority=0)

    run = Run(arguments, folder / 'warm_up.log', Progress(), prepare)
    if not run.wait(60) or run.statuses != [0]:
        run.kill()
        raise RuntimeError((folder / 'warm_up.log').read_text()[-2000:])
    for name in names.read_text().split('\n'):
        with contextlib.suppress(Exception):
            import_module(name)


class Run:
    """A training in one process or several, each the leader of a session, so that its workers can be found.

    Args:
        arguments (list[str]): Of ``tools/train.py``.
        log (Path): Where all that it writes goes.
        progress (Progress): Of the first process.
        prepare (Callable): Called with the rank in each process, before the command.
        processes (int): Their number. Defaults to 1.
    """

    def __init__(self, arguments: list[str], log: Path, progress: Progress,
                 prepare: Callable[[int], None] = lambda rank: None, processes: int = 1) -> None:
        torch.set_num_threads(1)
        self.log, self.begin = log, time.monotonic()
        progress.begun = -1
        port = free_port() if processes > 1 else 0
        self.processes = []
        for rank in range(processes):
            variables = dict(RENDEZVOUS, MASTER_PORT=str(port), RANK=str(rank), LOCAL_RANK=str(rank),
                             WORLD_SIZE=str(processes)) if processes > 1 else {}
            process = multiprocessing.get_context('fork').Process(
                target=_train, args=(arguments, log, progress if rank == 0 else None, prepare, rank, variables))
            process.start()
            self.processes.append(process)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the first process that ends, and then of all; False if it takes longer."""
        multiprocessing.connection.wait([process.sentinel for process in self.processes], seconds)
        for process in self.processes:
            process.join(0.1)
        if all(process.is_alive() for process in self.processes):
            return False
        if any(process.exitcode for process in self.processes):
            self._end_others()
        for process in self.processes:
            process.join(max(1, seconds - (time.monotonic() - self.begin)))
        return not any(process.is_alive() for process in self.processes)

    def kill(self) -> None:
        """SIGKILL to the processes, and not to their workers."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()

    @property
    def statuses(self) -> list[int]:
        """Exit statuses; negative for signals."""
        return [process.exitcode for process in self.processes]

    def left(self) -> list[int]:
        """Processes of the run that are still there: its workers, once it has ended."""
        sessions = {process.pid for process in self.processes}
        return [number for number in map(int, filter(str.isdigit, os.listdir('/proc'))) if _session(number) in sessions]

    def _end_others(self) -> None:
        """As a launcher does when one process has failed: ask, then kill."""
        deadline = time.monotonic() + 2
        for process in self.processes:
            process.join(max(0, deadline - time.monotonic()))
        for process in self.processes:
            if process.is_alive():
                process.terminate()
                process.join(10)
                process.kill()


def _train(arguments: list[str], log: Path, progress: Progress | None, prepare: Callable[[int], None], rank: int,
           variables: dict[str, str]) -> None:
    os.setsid()
    os.environ.update(variables)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = open(1, 'w', buffering=1, closefd=False), open(2, 'w', buffering=1, closefd=False)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if progress is not None:
        _report_to(progress)
    config.FormatCode = lambda text, **kwargs: (text, True)  # laying out the config takes most of a short training
    prepare(rank)
    sys.argv = ['train.py', *arguments, *(['--launcher', 'pytorch'] if variables else [])]
    command.main()


def _report_to(progress: Progress) -> None:
    call_hook = Runner.call_hook

    def wrapped(runner, name, **kwargs):
        if name == 'before_train_iter' and progress.begun < 0:
            progress.begun = runner.iter
        call_hook(runner, name, **kwargs)
        if name == 'after_train_iter':
            progress.done = max(progress.done, runner.iter + 1)

    Runner.call_hook = wrapped


def _session(number: int) -> int | None:
    """The session of a process that is no zombie."""
    with contextlib.suppress(OSError):
        fields = Path(f'/proc/{number}/stat').read_text().rpartition(')')[2].split()
        return int(fields[3]) if fields[0] != 'Z' else None
    return None


def descendants(number: int) -> list[int]:
    """A process, its children and theirs."""
    parents = {}
    for name in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            parents[int(name)] = int(Path(f'/proc/{name}/stat').read_text().rpartition(')')[2].split()[1])
    found = [number]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        with socket.socket() as listener, contextlib.suppress(OSError):
            # Below those that the system gives to connections, which could take it before the run does.
            number = random.SystemRandom().randrange(12_000, 30_000)
            listener.bind(('127.0.0.1', number))
            return number
