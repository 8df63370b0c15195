"""The measurements of dataloader.py: all pipelines alternating, on one core and end to end."""

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from tools.benchmarks.data.accuracy import differences
from tools.benchmarks.data.pipelines import (
    Batch,
    batch_maker,
    build_loader,
    decoders,
    loaders,
    official_batch,
    official_loader,
)
from tools.benchmarks.stopwatch import quartiles, take_turns

OFFICIAL, LIMIT = 'official', 'OpenCV alone'
CROPS_OF = {'ours': 'ours', 'ours, packed': 'ours', "ours, mmpretrain's transforms": 'pillow',
            'mmpretrain, pillow': 'pillow', 'mmpretrain, cv2': 'cv2'}
COMPARED = 64  # images for the column of differences


class Turn:
    """A batch after another in one process, each timed.

    Args:
        make (Callable): Makes a batch of indices and an epoch.
        images (int): In the dataset.
        batch_size (int): In a batch.
    """

    def __init__(self, make: Batch, images: int, batch_size: int) -> None:
        self.make = make
        self.images = images
        self.batch_size = batch_size
        self.seconds: list[float] = []

    def __call__(self) -> None:
        first = len(self.seconds) * self.batch_size
        indices = [i % self.images for i in range(first, first + self.batch_size)]
        begin = time.perf_counter()
        self.make(indices, first // self.images)
        self.seconds.append(time.perf_counter() - begin)


def measure_core(files: Sequence[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Images per second of one core.

    Returns:
        list[dict]: For each way ``way``, ``images_per_second``, ``ms_per_image`` (median), ``quartiles_ms``,
        ``times_official``, ``share_of_decoder`` and ``difference`` (None for decoders).
    """
    programs = {OFFICIAL: official_batch(files, args.img_size),
                **{name: batch_maker(name, make(), len(files))
                   for name, make in loaders(str(args.folder), args.img_size, args.packed).items()},
                **decoders(files)}
    turns = {name: Turn(make, len(files), args.batch_size) for name, make in programs.items()}
    take_turns(list(turns.values()), args.warmup + args.rounds)
    spread = {name: [1e3 * second / args.batch_size for second in quartiles(turn.seconds[args.warmup:])]
              for name, turn in turns.items()}
    crops = differences(files[:COMPARED], args.img_size)
    return [dict(way=name, images_per_second=1e3 / median, ms_per_image=median, quartiles_ms=[low, high],
                 times_official=spread[OFFICIAL][1] / median, share_of_decoder=spread[LIMIT][1] / median,
                 difference=0.0 if name == OFFICIAL else crops.get(CROPS_OF.get(name)))
            for name, (low, median, high) in spread.items()]


def measure_loaders(files: Sequence[str], workers: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Images per second from end to end, the loaders taking turns.

    Returns:
        list[dict]: For each ``way``, ``workers``, ``images_per_second`` (median) and ``quartiles``.
    """
    options = dict(batch_size=args.batch_size, num_workers=workers, persistent_workers=False, pin_memory=False)
    makers: dict[str, Callable] = {OFFICIAL: lambda: official_loader(files, args.img_size, drop_last=True, **options)}
    for name, make in loaders(str(args.folder), args.img_size, args.packed).items():
        sampler = dict(type='InfiniteSampler' if name.startswith('mmpretrain') else 'mmsimmim.SeededInfiniteSampler',
                       shuffle=True)
        makers[name] = lambda make=make, sampler=sampler: build_loader(make(sampler=sampler, drop_last=True, **options))
    rates: dict[str, list[float]] = {name: [] for name in makers}

    def run(name: str) -> None:
        stream = iter(makers[name]())
        # what workers prepare before they are asked must not count
        for _ in itertools.islice(stream, args.warmup + 2 * workers):
            pass
        begin = time.perf_counter()
        for _ in itertools.islice(stream, args.rounds):
            pass
        rates[name].append(args.rounds * args.batch_size / (time.perf_counter() - begin))

    take_turns([lambda name=name: run(name) for name in makers], 3)
    spread = {name: quartiles(found) for name, found in rates.items()}
    return [dict(way=name, workers=workers, images_per_second=median, quartiles=[low, high],
                 times_official=median / spread[OFFICIAL][1]) for name, (low, median, high) in spread.items()]
