"""Starting a training in processes of its own, and following it."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..common.launching import command_line, environment

# Seconds between two looks at the log.
PERIOD = 0.5
OUTPUT = 'output.txt'


def start(config: Path, devices: int, resume: bool) -> subprocess.Popen:
    """Start ``mmsimmim train``, on several devices through torchrun.

    Args:
        config (Path): What :func:`write_config` wrote.
        devices (int): Processes.
        resume (bool): Go on from the last complete checkpoint, if there is one.

    Returns:
        subprocess.Popen: The process; what it prints goes into ``output.txt`` beside the config.
    """
    line = command_line('train', [str(config), *(['--resume'] if resume else [])], devices)
    with open(config.parent / OUTPUT, 'ab') as output:
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                env=environment())


def records(process: subprocess.Popen, work_dir: Path) -> Iterator[dict | None]:
    """What a training logs, as it does, until it ends.

    Args:
        process (subprocess.Popen): It.
        work_dir (Path): Its work folder.

    Yields:
        dict | None: A line of its ``scalars.json``; None whenever there is no new one for a while.
    """
    begin = time.time()
    log = None
    while True:
        running = process.poll() is None
        log = log or _open_log(work_dir, begin)
        yield from _new_lines(log) if log else ()
        if not running:
            return
        yield None
        time.sleep(PERIOD)


@contextmanager
def killed_with_us(process: subprocess.Popen) -> Iterator[None]:
    """End a process that has nothing to save before a signal, an error or Ctrl-C ends this one."""

    def end(number, frame) -> None:
        process.kill()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = _handle((signal.SIGTERM, signal.SIGHUP), end)
    try:
        yield
    finally:
        process.kill()
        process.wait()
        _restore(before)


@contextmanager
def ending_with_us(process: subprocess.Popen) -> Iterator[None]:
    """Hand signals that would end this process on to the training, and wait until it has written what it has to."""

    def hand_on(number, frame) -> None:
        process.send_signal(number)

    before = _handle((signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1), hand_on)
    try:
        yield
    except KeyboardInterrupt:  # a terminal sends it to both, a notebook to this process alone
        process.send_signal(signal.SIGINT)
        raise
    finally:
        process.wait()
        _restore(before)


def _handle(numbers: tuple[int, ...], handler: Callable) -> dict[int, Any]:
    """Set a handler, and give those before; none is set where this is not the main thread, as in some notebooks."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in numbers}


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def _open_log(work_dir: Path, begin: float):
    logs = [path for path in work_dir.glob('*/vis_data/scalars.json') if path.stat().st_mtime >= begin - 1]
    return open(max(logs), encoding='utf-8') if logs else None


def _new_lines(log) -> Iterator[dict]:
    while True:
        place = log.tell()
        line = log.readline()
        if not line.endswith('\n'):
            log.seek(place)  # half a line: the rest comes later
            return
        yield json.loads(line)
