"""The process of a trial, seen from outside."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ....errors import UserError
from ...common.launching import environment
from ...config.loading import read_config
from ..follow import killed_with_us

# Seconds; compiling takes minutes.
LIMIT = 900
# Reading is the bottleneck if the device could do this much more.
WAITING = 1.1


@dataclass(frozen=True)
class Trial:
    """What a trial found.

    Args:
        largest_batch (int): Images of an iteration of one device.
        steps (list[tuple[int, float]]): Images of an iteration, and seconds that it took one process that waited for
            none; of one number of images or of two.
        loading_rate (float): Images per second that one process reads.
        num_workers (int): Processes of it that read.
        threads (int): Threads of it that compute.
        devices (int): Processes of the training.
        cores (int): Of the machine.
        on_cpu (bool): Whether all of it is done by these.
        start_seconds (float): From the start of a process until its first step.
        tried (int): No more images than these were tried.
    """

    largest_batch: int
    steps: list[tuple[int, float]]
    loading_rate: float
    num_workers: int
    threads: int
    devices: int
    cores: int
    on_cpu: bool
    start_seconds: float
    tried: int

    def rate(self, batch: int) -> float:
        """Images per second of one process that waits for none, by the line through what was measured."""
        few, more = min(self.steps), max(self.steps)
        if batch == more[0] or more[0] == few[0]:
            return more[0] / more[1]
        each = min(max(0., (more[1] - few[1]) / (more[0] - few[0])), more[1] / more[0])
        return batch / max(more[1] + (batch - more[0]) * each, 1e-6)

    def computed(self, batch: int) -> float:
        """Images per second of all devices if images were there at once: those of one times their number."""
        return self.devices * self.rate(batch)

    @property
    def loaded(self) -> float:
        """Images per second that all processes read, which share the cores."""
        readers = max(1, self.num_workers)
        return self.loading_rate * min(self.devices, max(1, self.cores / readers))

    def images_per_second(self, batch: int) -> float:
        """Images per second of the training.

        Args:
            batch (int): Of an iteration of each device.
        """
        one = [1 / self.computed(batch), 1 / self.loaded]
        if self.num_workers == 0:
            return 1 / sum(one)
        if not self.on_cpu:
            return 1 / max(one)
        # An image takes so many seconds of cores, of which there are only so many.
        work = self.threads / self.rate(batch) + self.num_workers / self.loading_rate
        return 1 / max(*one, work / self.cores)

    def lines(self, batch: int) -> list[str]:
        """What a person should know of it.

        Args:
            batch (int): Of an iteration of each device.
        """
        where = 'this CPU' if self.on_cpu else 'one device'
        more = ' or more' if self.largest_batch == self.tried else ''
        several = (f', taken times {self.devices} for the processes' if self.devices > 1 else '')
        found = [f'Trial: {where} takes {self.largest_batch:,} images at a time{more}; {batch:,} at a time it '
                 f'trains on {_rate(self.rate(batch))}{several}; reading them: {_rate(self.loaded)}.']
        if self.computed(batch) > WAITING * self.loaded and not (self.on_cpu and self.num_workers):
            found.append(f'WARNING: reading the images is what takes the time: {_rate(self.loaded)} with '
                         f'{self.num_workers} readers for each process, where the encoder could train on '
                         f'{_rate(self.computed(batch))}. {self._remedy()}')
        return found

    def _remedy(self) -> str:
        idle = self.cores // self.devices - 1
        pack = 'Store them smaller, or as one file: mmsimmim pack.'
        return f'Set more readers: --set num_workers={idle}. {pack}' if idle > self.num_workers else pack


def try_config(config: Path, images: int, devices: int, cores: int, on_cpu: bool) -> Trial:
    """Try some steps of a config in a process of its own.

    Args:
        config (Path): Of the training.
        images (int): Of an iteration of one device, at most.
        devices (int): Processes of the training.
        cores (int): Of the machine.
        on_cpu (bool): Whether there is no other device.

    Returns:
        Trial: What was found.

    Raises:
        UserError: Not even one image fits into the memory, or the config does not work.
        TrialFailed: The process ended otherwise, or the model is one for several devices.
    """
    if read_config(str(config)).get('runner_type') == 'FlexibleRunner':
        raise TrialFailed('The config shards the model, of which a trial on one device would tell nothing.')
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='mmsimmim_trial_') as folder:
        result, output = Path(folder, 'result.json'), Path(folder, 'output.txt')
        line = [sys.executable, '-m', f'{__package__}.child', str(config), str(result), f'--images={images}',
                f'--devices={devices}']
        status = _run(line, output, devices)
        if status or not result.is_file():
            raise _failure(status, output.read_text(encoding='utf-8', errors='backslashreplace'), on_cpu)
        found = json.loads(result.read_text(encoding='utf-8'))
    if not found['largest_batch']:
        raise UserError(_too_large(on_cpu))
    start = time.monotonic() - begin - found.pop('measuring')
    return Trial(**found, devices=devices, cores=cores, on_cpu=on_cpu, start_seconds=start, tried=images)


class TrialFailed(Exception):
    """A trial ended without a result; training may work nevertheless."""


def _run(line: list[str], output: Path, devices: int) -> int | None:
    env = environment()
    if devices > 1:
        env.setdefault('OMP_NUM_THREADS', '1')  # as torchrun
    with open(output, 'wb') as file:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=env)
    with killed_with_us(process):
        try:
            return process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return None


def _failure(status: int | None, printed: str, on_cpu: bool) -> Exception:
    last = (printed.strip().splitlines() or [''])[-1]
    if status == -signal.SIGKILL and on_cpu:
        return UserError(_too_large(on_cpu))
    if status == 1 and last.startswith('error: '):
        return UserError(printed[printed.rindex('error: ') + len('error: '):].strip())
    if status in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    how = f'did not end within {LIMIT} s' if status is None else f'ended with status {status}'
    return TrialFailed(f'The trial {how}: {last}' if last else f'The trial {how}.')


def _too_large(on_cpu: bool) -> str:
    memory = 'the memory that is free' if on_cpu else "the device's memory that is free"
    return (f'Training with a single image at a time does not fit into {memory}. Choose a smaller encoder (--arch) or '
            'smaller crops (--img-size), recompute activations (--set model.backbone.with_cp=True), or end what else '
            'takes memory.')


def _rate(images_per_second: float) -> str:
    return f'{images_per_second:,.3g} images/s' if images_per_second < 1000 else f'{images_per_second:,.0f} images/s'
