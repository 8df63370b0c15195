"""How long a training will go on, from when its log comes."""

import math
import time
from collections.abc import Callable, Mapping


class Pace:
    """Measures a training by the clock, so that validations, checkpoints and pictures count, too.

    The log times iterations alone. From the first line on, of this run or of one that was resumed, the clock tells what
    an iteration takes with all that comes between; a single line has nothing but its own time.

    Args:
        max_iters (int): Iterations of the run.
        clock (Callable): Seconds. Defaults to ``time.monotonic``.
    """

    def __init__(self, max_iters: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_iters = max_iters
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def left(self, record: Mapping[str, float]) -> float | None:
        """Seconds that are left.

        Args:
            record (Mapping[str, float]): A line of the log of training iterations, as it comes.

        Returns:
            float | None: None if nothing is known yet.
        """
        now, done = self._clock(), record['iter']
        if self._first is None or done <= self._first[1]:
            self._first = now, done
            seconds = record.get('time', math.nan)
        else:
            seconds = (now - self._first[0]) / (done - self._first[1])
        left = seconds * (self.max_iters - done)
        return left if math.isfinite(left) else None


def duration(seconds: float | None) -> str:
    """A time in words."""
    if seconds is None:
        return 'unknown time'
    if seconds < 59.5:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes // 60} h {minutes % 60:02} min' if minutes >= 60 else f'{minutes} min'
