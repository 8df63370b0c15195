"""A training in processes of its own, started as a user starts it: ten seconds, most of them imports."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from .runs import Progress, descendants, free_port

REPO = Path(__file__).parents[2]
STEP = re.compile(r'(?:Epoch|Iter)\(train\)\s+(?:\[(\d+)\])?\[\s*(\d+)/\s*(\d+)\]')


class CommandRun:
    """As :class:`~.runs.Run`: ``tools/train.py``, or ``tools/dist_train.sh`` for several processes.

    Args:
        arguments (list[str]): Of ``tools/train.py``.
        log (Path): Where all that it writes goes.
        progress (Progress): What the log shows of it, at its end.
        processes (int): Their number.
    """

    def __init__(self, arguments: list[str], log: Path, progress: Progress, processes: int) -> None:
        command = [sys.executable, 'tools/train.py', *arguments] if processes == 1 else [
            'tools/dist_train.sh', arguments[0], str(processes), *arguments[1:]]
        self.log, self.progress = log, progress
        self._before = log.stat().st_size if log.exists() else 0
        variables = dict(PYTHON=sys.executable, PYTHONPATH=str(REPO), PORT=str(free_port()), OMP_NUM_THREADS='1')
        with log.open('a') as file:
            self.process = subprocess.Popen(command, cwd=REPO, stdout=file, stderr=file, start_new_session=True,
                                            env={**os.environ, **variables})
        self.begin = time.monotonic()

    def wait_for_steps(self, seconds: float) -> None:
        """Until the log has a step, or the process ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None and not self._steps():
            time.sleep(0.05)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False if it takes longer."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is not None

    def kill(self) -> None:
        """SIGKILL to all its processes, as when a machine is taken away."""
        # A launcher gives its processes sessions of their own: killed alone it would leave them at work.
        for number in descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait()

    @property
    def statuses(self) -> list[int]:
        """Exit status; negative for a signal."""
        return [self.process.returncode]

    def left(self) -> list[int]:
        """Its process group is gone."""
        return []

    def note_progress(self) -> None:
        """Put the steps of the log into the progress; a line may be missing, as the last one before a kill."""
        if steps := self._steps():
            self.progress.begun = steps[0] - 1
            self.progress.done = max(self.progress.done, steps[-1])

    def _steps(self) -> list[int]:
        with self.log.open(errors='replace') as file:
            file.seek(self._before)
            found = STEP.findall(file.read())
        return [(int(epoch or 1) - 1) * int(length) + int(step) for epoch, step, length in found]
