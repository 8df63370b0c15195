"""Timing of programs that alternate, so that a machine that slows down slows all of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch


class Stopwatch:
    """Times between marks, on the clock of the device that does the work.

    On a GPU the marks are events in its queue: what the host does meanwhile counts only where the GPU waits for it.

    Args:
        device (str): ``'cpu'``, or a device of CUDA.

    Examples:
        >>> watch = Stopwatch('cpu')
        >>> watch.start()
        >>> watch.mark('part')
        >>> sorted(watch.stop())
        ['part']
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self._marks: list[tuple[str, Any]] = []

    def start(self) -> None:
        """Begin, as soon as the device is idle."""
        self._synchronize()
        self._marks = [('', self._now())]

    def mark(self, name: str) -> None:
        """End the part that began at the mark before."""
        self._marks.append((name, self._now()))

    def stop(self) -> dict[str, float]:
        """Wait until all work is done.

        Returns:
            dict[str, float]: Seconds of each part.
        """
        self._synchronize()
        return {name: self._between(before, now) for (_, before), (name, now) in zip(self._marks, self._marks[1:])}

    def _synchronize(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def _now(self) -> Any:
        if self.device.type != 'cuda':
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def _between(self, before: Any, now: Any) -> float:
        return before.elapsed_time(now) / 1e3 if self.device.type == 'cuda' else now - before


def take_turns(programs: Sequence[Callable[[], Any]], rounds: int) -> None:
    """Run each program once per round: in the order given, the next time backwards.

    What a program leaves to the next one, warm caches or a slower clock, so falls on more than one of them.
    """
    for number in range(rounds):
        for program in programs if number % 2 == 0 else reversed(programs):
            program()


def quartiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of one number or more, interpolated between the numbers."""
    if len(seconds) == 1:
        return (seconds[0], ) * 3
    return tuple(statistics.quantiles(seconds, n=4, method='inclusive'))
