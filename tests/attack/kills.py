"""Kills at random moments; each run is resumed until it has ended, and must then equal one that was not killed.

After each kill the last complete checkpoint must be there and be read, at most one interval of steps may be done again,
and no process may be left. At the end no file may be missing, too many, or different in a single bit.
"""

import random
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mmsimmim.errors import UserError

from . import moments, state
from .command_line import CommandRun
from .outcomes import Attempt, Outcome
from .runs import CONFIG, Progress, Run, warm_up
from .setups import SETUPS, SetUp, arguments, draw_images

# Kills of one run before it is left to end, at most; seconds after which a run hangs.
CHAIN, SECONDS = 5, 90
# One chain of so many begins with the real command in a process of its own, and a kill while it starts or trains.
COMMAND_EVERY, START_UP = 8, 8.0
# Data workers look for their parent every 5 seconds.
WORKERS_END = 12


class Whole(NamedTuple):
    """An undisturbed run.

    Attributes:
        folder (Path): Its work folder.
        counts (dict[str, int]): How many moments of each kind there are in it.
        seconds (float): What it took.
    """

    folder: Path
    counts: dict[str, int]
    seconds: float


def attack(seed: int, tries: int, folder: Path) -> Iterator[Attempt]:
    """Kill runs of all set-ups in turn.

    Args:
        seed (int): Of the moments.
        tries (int): Number of kills.
        folder (Path): For images and runs.

    Yields:
        Attempt: One for each kill; its subject is the set-up.
    """
    images = folder / 'images'
    draw_images(images)
    warm_up(arguments(SETUPS[0], CONFIG, images, folder / 'warm', False), folder)
    chains, wholes, done = 0, {}, 0
    while done < tries:
        number = (seed + chains) % len(SETUPS)
        setup = SETUPS[number]
        if number not in wholes:
            wholes[number] = run_whole(setup, images, folder / f'whole_{number}')
        source = random.Random(f'{seed}, {chains}')
        chain = Chain(setup, wholes[number], images, folder / f'chain_{chains}', source, f'seed {seed}, chain {chains}',
                      by_command=chains % COMMAND_EVERY == COMMAND_EVERY - 1)
        for attempt in chain.run(min(tries - done, CHAIN)):
            done += 1
            yield attempt
        chains += 1


def run_whole(setup: SetUp, images: Path, folder: Path) -> Whole:
    """Train without a kill.

    Raises:
        RuntimeError: That went wrong already.
    """
    progress, log = Progress(), folder.with_suffix('.log')
    run = Run(arguments(setup, CONFIG, images, folder, False), log, progress,
              partial(moments.counting, progress, folder), setup.processes)
    if not run.wait(SECONDS) or any(run.statuses) or progress.done != setup.steps:
        run.kill()
        raise RuntimeError(f'{setup.name}, undisturbed: {run.statuses}\n{log.read_text()[-2000:]}')
    counts = {kind: progress[place] for place, kind in enumerate(moments.KINDS)}
    return Whole(folder, counts, time.monotonic() - run.begin)


class Chain:
    """A run that is killed and resumed until it has ended.

    Args:
        setup (SetUp): What is trained.
        whole (Whole): The same, undisturbed.
        images (Path): Folder of images.
        folder (Path): The work folder.
        source (random.Random): Of the moments.
        name (str): Enough to repeat it.
        by_command (bool): Begin with the real command. Defaults to False.
    """

    def __init__(self, setup: SetUp, whole: Whole, images: Path, folder: Path, source: random.Random, name: str,
                 by_command: bool = False) -> None:
        self.setup, self.whole, self.images, self.folder = setup, whole, images, folder
        self.source, self.name, self.log = source, name, folder.with_suffix('.log')
        self.progress, self.by_command = Progress(), by_command
        self.attempts: list[Attempt] = []
        self.runs: list[Run | CommandRun] = []

    def run(self, kills: int) -> list[Attempt]:
        """Kill at most so many times, and compare; one attempt for each kill."""
        before = 0
        while True:
            moment = self._choose() if len(self.attempts) < kills else None
            run = self._start(moment)
            hangs = not self._wait(run, moment)
            before = self._check_begin(before)
            if hangs:
                run.kill()
                self._note(moment, Outcome.HANG, f'{SECONDS} s, {self._last_words()}')
                break
            if not any(run.statuses):
                break
            if moment is None:
                self._blame(Outcome.CRASH, f'status {run.statuses} of a run that nobody killed: {self._last_words()}')
                break
            if moment[0] not in ('image', 'worker') and -signal.SIGKILL not in run.statuses:
                self._blame(Outcome.CRASH, f'status {run.statuses} before {moment}: {self._last_words()}')
                break
            self._note(moment, *self._look())
        if self.attempts and all(attempt.outcome is Outcome.FINE for attempt in self.attempts):
            self._compare()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.attempts

    def _choose(self) -> tuple[str, float]:
        """A kind of moment, and which one, of those that are left."""
        if self.by_command and not self.runs:
            kind = self.source.choice(['command starts', 'command trains'])
            return kind, round(self.source.uniform(0, START_UP if kind == 'command starts' else 1.5), 2)
        kinds = [kind for kind, number in self.whole.counts.items() if number]
        kind = self.source.choice([*kinds, 'file', 'time'])
        left = 1 - 0.8 * min(self.progress.done, self.setup.steps) / self.setup.steps
        if kind == 'time':
            return kind, round(self.source.uniform(0, self.whole.seconds * left), 2)
        return kind, self.source.randint(1, max(1, round(self.whole.counts[kind] * left)))

    def _start(self, moment: tuple[str, float] | None) -> Run | CommandRun:
        given = arguments(self.setup, CONFIG, self.images, self.folder, bool(self.runs))
        if moment and moment[0].startswith('command'):
            run = CommandRun(given, self.log, self.progress, self.setup.processes)
            self.runs.append(run)
            return run

        def prepare(rank: int) -> None:
            if moment and moment[0] != 'time':
                moments.dying(*moment, self.folder, victim, rank)

        # Only the first process writes files.
        file = moment and moment[0] in ('file', 'half-written')
        victim = 0 if file else self.source.randrange(self.setup.processes)
        run = Run(given, self.log, self.progress, prepare, self.setup.processes)
        self.runs.append(run)
        return run

    def _wait(self, run: Run | CommandRun, moment: tuple[str, float] | None) -> bool:
        if moment and moment[0] == 'command trains':
            run.wait_for_steps(SECONDS)
        if moment and moment[0] in ('time', 'command starts', 'command trains') and not run.wait(moment[1]):
            run.kill()
        ended = run.wait(SECONDS)
        if isinstance(run, CommandRun):
            run.note_progress()
        return ended

    def _check_begin(self, before: int) -> int:
        """What the run that has just ended did again; returns the iterations done by now."""
        redone = before - self.progress.begun if self.progress.begun >= 0 else 0
        if self.attempts and redone > 0:
            last = self.attempts[-1]
            outcome = Outcome.LOST if redone > self.setup.interval else last.outcome
            self.attempts[-1] = last._replace(outcome=outcome, detail=f'{redone} steps again')
        return max(before, self.progress.done)

    def _look(self) -> tuple[Outcome, str]:
        """What a kill has left."""
        try:
            found = state.position(self.folder)
        except (UserError, RuntimeError, OSError, KeyError) as error:
            return Outcome.LOST, f'{state.files(self.folder)}: {error}'
        missing = self.progress.done - found
        if missing > self.setup.interval:
            return Outcome.LOST, f'{missing} steps are in no checkpoint: {state.files(self.folder)}'
        if len([name for name in state.files(self.folder) if name.endswith('.tmp')]) > 1:
            return Outcome.LOST, f'unfinished files pile up: {state.files(self.folder)}'
        return Outcome.FINE, '0 steps again'

    def _compare(self) -> None:
        difference = state.differences(self.folder, self.whole.folder)
        if difference:
            self._blame(Outcome.LOST if difference.startswith('files') else Outcome.WRONG, difference)
        deadline = time.monotonic() + WORKERS_END
        while any(run.left() for run in self.runs) and time.monotonic() < deadline:
            time.sleep(0.2)
        if left := [number for run in self.runs for number in run.left()]:
            self._blame(Outcome.HANG, f'processes {left} are left')

    def _note(self, moment: tuple[str, float] | None, outcome: Outcome, detail: str) -> None:
        what = '{} {}'.format(*moment) if moment else 'resumed'
        self.attempts.append(Attempt(f'Kills: {self.setup.name}', f'{self.name}, {what}', outcome, detail))

    def _blame(self, outcome: Outcome, detail: str) -> None:
        """A fault that cannot be told of one kill: of the last one, with all that came before."""
        if not self.attempts:
            self._note(None, outcome, detail)
            return
        last = self.attempts[-1]
        path = '; '.join(attempt.name.removeprefix(f'{self.name}, ') for attempt in self.attempts)
        self.attempts[-1] = last._replace(outcome=outcome, detail=f'{detail} (after: {path})')

    def _last_words(self) -> str:
        return self.log.read_text(errors='replace')[-1500:] if self.log.exists() else 'no log'
