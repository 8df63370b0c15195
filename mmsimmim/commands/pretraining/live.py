"""The line that a person watches while a training runs."""

import sys
import time
from typing import TextIO

HELD_OUT = 'reconstruction/masked_loss'
# Seconds between two lines where there is no terminal.
QUIET = 60


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
        self._changes = self.stream.isatty()
        self._last = float('-inf')
        self._length = 0
        self._held_out: float | None = None

    def show(self, record: dict) -> None:
        """Show what a line of the log says."""
        self._held_out = record.get(HELD_OUT, self._held_out)
        if 'loss' not in record:
            return
        done = record['iter'] >= self.max_iters
        if self._changes or done or time.monotonic() - self._last >= QUIET:
            self._last = time.monotonic()
            self._write(self._text(record))

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._clear()
        print(text, file=self.stream, flush=True)

    def close(self) -> None:
        """End the line."""
        if self._changes and self._length:
            print(file=self.stream, flush=True)
            self._length = 0

    def _text(self, record: dict) -> str:
        left = record['time'] * (self.max_iters - record['iter'])
        held_out = '' if self._held_out is None else f', held out {self._held_out:.4f}'
        return (f'{record["iter"]}/{self.max_iters}  loss {record["loss"]:.4f}{held_out}  '
                f'{self.batch_size / record["time"]:.0f} images/s  {duration(left)} left')

    def _write(self, text: str) -> None:
        if not self._changes:
            print(text, file=self.stream, flush=True)
            return
        print(f'\r{text:{self._length}}', end='', file=self.stream, flush=True)
        self._length = len(text)

    def _clear(self) -> None:
        if self._changes and self._length:
            print(f'\r{"":{self._length}}\r', end='', file=self.stream, flush=True)
            self._length = 0


def duration(seconds: float) -> str:
    """A time in words."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f'{seconds:.0f} s'
    return f'{minutes // 60} h {minutes % 60:02} min' if minutes >= 60 else f'{minutes} min'
