"""The line that a person watches while a training runs."""

import os
import sys
import time
from typing import TextIO

from .pace import Pace, duration

HELD_OUT, PROBE = 'reconstruction/masked_loss', 'probe/knn'
# Seconds between two lines where there is no terminal.
QUIET = 60
# Of a terminal that does not tell.
WIDTH = 80


class LiveLine:
    """Shows loss, images per second and time left: one line that changes, or plain lines where there is no terminal.

    Args:
        max_iters (int): Iterations of the run.
        batch_size (int): Images of an iteration, of all processes.
        stream (TextIO, optional): Where to. Defaults to None: standard output.
    """

    def __init__(self, max_iters: int, batch_size: int, stream: TextIO | None = None) -> None:
        self.max_iters = max_iters
        self.batch_size = batch_size
        self.stream = stream or sys.stdout
        self._pace = Pace(max_iters)
        self._changes = self.stream.isatty()
        self._last = float('-inf')
        self._length = 0
        self._measured: dict[str, float] = {}

    def show(self, record: dict) -> None:
        """Show what a line of the log says."""
        self._measured.update((key, record[key]) for key in (HELD_OUT, PROBE) if key in record)
        if 'loss' not in record:
            return
        left = self._pace.left(record)
        done = record['iter'] >= self.max_iters
        if self._changes or done or time.monotonic() - self._last >= QUIET:
            self._last = time.monotonic()
            self._write(self._parts(record, left))

    def close(self) -> None:
        """End the line."""
        if self._changes and self._length:
            print(file=self.stream, flush=True)
            self._length = 0

    def _parts(self, record: dict, left: float | None) -> list[str]:
        """What there is to say, the most important first."""
        speed = images_per_second(record, self.batch_size)
        parts = [f'{record["iter"]}/{self.max_iters}', f'loss {record["loss"]:.4f}', f'{duration(left)} left']
        parts += [] if speed is None else [f'{speed} images/s']
        parts += [f'held out {self._measured[HELD_OUT]:.4f}'] if HELD_OUT in self._measured else []
        return parts + ([f'nearest neighbours {self._measured[PROBE]:.1f} %'] if PROBE in self._measured else [])

    def _write(self, parts: list[str]) -> None:
        text = '  '.join(parts)
        if not self._changes:
            print(text, file=self.stream, flush=True)
            return
        width = self._width()
        while len(text) > width and len(parts) > 1:
            parts = parts[:-1]
            text = '  '.join(parts)
        text = text[:width]
        # Beyond the width the line would wrap, and a new one appear with each step.
        print(f'\r{text:{min(self._length, width)}}', end='', file=self.stream, flush=True)
        self._length = len(text)

    def _width(self) -> int:
        """Characters of a line; in the last column some terminals wrap."""
        try:
            columns = os.get_terminal_size(self.stream.fileno()).columns
        except (OSError, ValueError, AttributeError):  # a notebook, or a stream without a file
            columns = 0
        return max(1, (columns or WIDTH) - 1)


def images_per_second(record: dict, batch_size: int) -> str | None:
    """How many images a line of the log says are trained on; None where it does not tell."""
    seconds = record.get('time') or 0
    if not seconds > 0:
        return None
    speed = batch_size / seconds
    return f'{speed:.0f}' if speed >= 10 else f'{speed:.2g}'
