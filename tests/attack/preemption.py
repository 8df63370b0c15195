"""A day of a spot machine against one run: 24 hours of kills, signals, full disks, lost data workers.

Time is simulated: a step of training stands for ten minutes. The run is started again whenever it has ended, as a
scheduler does. At the end it must equal, bit for bit, the run that had a quiet day, and no event may have cost
more than the steps between two checkpoints; a signal that announces the end, none.
"""

import contextlib
import errno
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mmengine.runner import Runner

from mmsimmim.interruption import RESUMABLE

from . import moments, state
from .outcomes import Attempt, Outcome
from .runs import CONFIG, Progress, Run, warm_up
from .setups import BEST, EMA, SetUp, arguments, draw_images, iterations, workers

MINUTES, DAY = 10, 24 * 60  # of a step; of the schedule
STEPS, HOUR, SECONDS = DAY // MINUTES, 60 // MINUTES, 120
# Places in the progress of a run: the minutes that have gone by, and the event that has come.
CLOCK, EVENT = 0, 1
SIGNALS = dict(SIGTERM=signal.SIGTERM, SIGHUP=signal.SIGHUP, SIGUSR1=signal.SIGUSR1)
FULL, READ_ONLY, WORKER = 'full disk', 'read-only folder', 'lost data worker'
KINDS = ('SIGKILL', *SIGNALS, FULL, READ_ONLY, WORKER)


class Event(NamedTuple):
    """Something that happens to the machine.

    Attributes:
        minute (int): When, from the start of the day.
        kind (str): One of :data:`KINDS`.
    """

    minute: int
    kind: str


def attack(seed: int, tries: int, folder: Path) -> Iterator[Attempt]:
    """Let a training live through a day.

    Args:
        seed (int): Of the schedule; an odd one is a day of epochs, an even one of iterations.
        tries (int): Number of events in the day.
        folder (Path): For images and runs.

    Yields:
        Attempt: One for each event, and one for the end of the day.
    """
    images, setup = folder / 'images', set_up(seed)
    draw_images(images)
    warm_up(arguments(setup._replace(options=[*setup.options, *_length(seed, HOUR)]), CONFIG, images, folder / 'warm',
                      False), folder)
    quiet, log = folder / 'quiet', folder / 'quiet.log'
    run = Run(arguments(setup, CONFIG, images, quiet, False), log, Progress())
    if not run.wait(SECONDS) or any(run.statuses):
        run.kill()
        raise RuntimeError(f'a quiet day: {run.statuses}\n{log.read_text()[-2000:]}')
    yield from Day(setup, images, folder, schedule(seed, tries), f'seed {seed}').live()


def set_up(seed: int) -> SetUp:
    """A day of training with a checkpoint each hour."""
    if seed % 2:
        options = [*workers(2), *EMA, *BEST, 'train_cfg.val_interval=4', *_length(seed, STEPS)]
        return SetUp('a day of epochs', options, STEPS, HOUR)
    options = [*workers(2, True), *iterations('mmsimmim.IterBasedTrainLoop', HOUR), *EMA, *BEST,
               'train_cfg.val_interval=24', *_length(seed, STEPS)]
    return SetUp('a day of iterations', options, STEPS, HOUR)


def _length(seed: int, steps: int) -> list[str]:
    epochs = max(1, steps // HOUR)
    return ([f'train_cfg.max_epochs={epochs}', f'param_scheduler.end={epochs}'] if seed % 2 else
            [f'train_cfg.max_iters={steps}', f'param_scheduler.end={steps}'])


def schedule(seed: int, number: int) -> list[Event]:
    """Events at random minutes of the day; each kind comes before one comes again."""
    source = random.Random(f'day {seed}')
    minutes = sorted(source.sample(range(1, DAY), min(number, DAY - 1)))
    kinds: list[str] = []
    while len(kinds) < len(minutes):
        kinds += source.sample(KINDS, len(KINDS))
    return [Event(minute, kind) for minute, kind in zip(minutes, kinds)]


class Day:
    """One run and what happens to it.

    Args:
        setup (SetUp): What is trained.
        images (Path): Folder of images.
        folder (Path): With the run of the quiet day.
        events (list[Event]): In order.
        name (str): Enough to repeat it.
    """

    def __init__(self, setup: SetUp, images: Path, folder: Path, events: list[Event], name: str) -> None:
        self.setup, self.images, self.events, self.name = setup, images, events, name
        self.folder, self.quiet, self.log = folder / 'day', folder / 'quiet', folder / 'day.log'
        self.progress, self.past = Progress(), 0

    def live(self) -> Iterator[Attempt]:
        """Start the run as often as it ends before its time."""
        before, runs, last = 0, [], None
        while True:
            event = self.events[self.past] if self.past < len(self.events) else None
            self.progress[EVENT] = self.progress.done = 0
            run = Run(arguments(self.setup, CONFIG, self.images, self.folder, bool(runs)), self.log, self.progress,
                      partial(self._prepare, event))
            runs.append(run)
            hangs = not run.wait(SECONDS)
            if hangs:
                run.kill()
            if last is not None:
                yield self._judge(last, before, runs[-2])
            before, last = self.progress.done, None
            if not self.progress[EVENT]:
                break
            self.past += 1
            last = event
            if hangs:
                yield self._attempt(event, Outcome.HANG, self._last_words())
                return
        if hangs or any(run.statuses):
            yield self._attempt(None, Outcome.HANG if hangs else Outcome.CRASH, f'{run.statuses} {self._last_words()}')
            return
        yield self._compare(runs)

    def _judge(self, event: Event, before: int, run: Run) -> Attempt:
        """An event, by the run that it has ended and by where the next one has begun."""
        begun, status = self.progress.begun, run.statuses[0]
        redone = max(0, before - begun) if begun >= 0 else 0
        detail = f'status {status}, {redone} steps again'
        announced = event.kind in SIGNALS
        if redone > (0 if announced else self.setup.interval):
            return self._attempt(event, Outcome.LOST, detail)
        expected = {'SIGKILL': -signal.SIGKILL, **dict.fromkeys(SIGNALS, RESUMABLE)}.get(event.kind, 1)
        if status != expected:
            return self._attempt(event, Outcome.CRASH, f'{detail}, not {expected}: {self._last_words()}')
        return self._attempt(event, Outcome.FINE, detail)

    def _compare(self, runs: list[Run]) -> Attempt:
        difference = state.differences(self.folder, self.quiet)
        deadline = time.monotonic() + 12
        while any(run.left() for run in runs) and time.monotonic() < deadline:
            time.sleep(0.2)
        if any(run.left() for run in runs):
            return self._attempt(None, Outcome.HANG, 'data workers are left')
        outcome = Outcome.WRONG if difference else Outcome.FINE
        return self._attempt(None, outcome, difference or f'{len(runs)} starts, {self.progress[CLOCK]} minutes')

    def _attempt(self, event: Event | None, outcome: Outcome, detail: str) -> Attempt:
        what = f'{event.kind} at {event.minute // 60}:{event.minute % 60:02d}' if event else 'the end'
        kind = event.kind if event else 'bit-equal to the quiet day'
        return Attempt(f'Preemption, {self.setup.name}: {kind}', f'{self.name}, {what}', outcome, detail)

    def _last_words(self) -> str:
        return self.log.read_text(errors='replace')[-1500:]

    def _prepare(self, event: Event | None, rank: int) -> None:
        """In the process of the run: let the clock go, and the event come."""
        call_hook, progress, come = Runner.call_hook, self.progress, False

        def wrapped(runner, name, **kwargs):
            nonlocal come
            if name == 'before_train_iter':
                progress[CLOCK] += MINUTES
                if event and not come and progress[CLOCK] >= event.minute:
                    come, progress[EVENT] = True, 1
                    happen(event.kind, self.folder)
            call_hook(runner, name, **kwargs)

        Runner.call_hook = wrapped


def happen(kind: str, folder: Path) -> None:
    """Let an event come over this process."""
    if kind == 'SIGKILL' or kind in SIGNALS:
        os.kill(os.getpid(), SIGNALS.get(kind, signal.SIGKILL))
    elif kind == WORKER:
        os.kill(_children()[0], signal.SIGKILL)
    elif kind == FULL:
        # The system itself refuses what goes beyond this size; half of a checkpoint is then written.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    else:
        sys.addaudithook(partial(_refuse, folder))


def _refuse(folder: Path, event: str, args: tuple) -> None:
    if moments.changes(event, args, folder):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fsdecode(args[0]))


def _children() -> list[int]:
    """The data workers of this process, the last one first."""
    found = []
    for number in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            fields = Path(f'/proc/{number}/stat').read_text().rpartition(')')[2].split()
            if int(fields[1]) == os.getpid():
                found.append(int(number))
    return sorted(found, reverse=True)
