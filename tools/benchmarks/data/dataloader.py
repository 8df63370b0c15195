"""Benchmark of data loading for pre-training: from image files to a batch of images and masks.

    python tools/benchmarks/data/dataloader.py DIR --make 256 --json work_dirs/dataloader.json
    python tools/benchmarks/data/dataloader.py /data/imagenet/val --workers 1 2 4 8

First in one process on one thread, so that figures are images per second of one core: this package's pipeline as the
configs have it; its batches behind mmpretrain's transforms; the official pipeline (torchvision on Pillow, as
published); mmpretrain's configs, antialiased (pillow) and as they are (cv2). As a limit, decoders alone on files in
memory. All alternate on the same files, batch by batch, after warm-up rounds; figures are medians with the quartiles.

The last column is the mean absolute difference, in levels of 0..255, to what Pillow makes of the same boxes,
antialiased.

With --workers then end to end: the data loaders with that number of worker processes, without the first batches.
--packed FILE adds a copy of DIR that tools/dataset_converters/pack_images.py made.

Only .jpg, .jpeg and .png are used, which all pipelines read; each file is decoded once before, to find broken ones.

--make N writes N photographs into DIR first; --size 4000 3000 makes them large, which shows decoding at a reduced size.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmengine.registry import init_default_scope  # noqa: E402

import mmsimmim  # noqa: E402, F401
from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from tools.benchmarks.data.accuracy import differences  # noqa: E402
from tools.benchmarks.data.files import find_images, require_readable, say_left_out  # noqa: E402
from tools.benchmarks.data.photographs import make_photographs  # noqa: E402
from tools.benchmarks.data.pipelines import (  # noqa: E402
    PATCH,
    Batch,
    batch_maker,
    build_loader,
    decoders,
    loaders,
    official_batch,
    official_loader,
    use_one_thread,
)
from tools.benchmarks.kept_parts import write_json  # noqa: E402
from tools.benchmarks.machine import heading, markdown, provenance  # noqa: E402
from tools.benchmarks.stopwatch import quartiles, take_turns  # noqa: E402

OFFICIAL, LIMIT = 'official', 'OpenCV alone'
PACKAGES = ('torch', 'torchvision', 'mmpretrain', 'opencv-python', 'opencv-python-headless', 'pillow', 'mmsimmim')
CROPS_OF = {'ours': 'ours', 'ours, packed': 'ours', "ours, mmpretrain's transforms": 'pillow',
            'mmpretrain, pillow': 'pillow', 'mmpretrain, cv2': 'cv2'}
COMPARED = 64  # images for the column of differences


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    parser.add_argument('folder', type=Path, metavar='DIR', help='searched for images, however deep')
    parser.add_argument('--workers', type=int, nargs='+', default=[], metavar='N',
                        help='also from end to end with these numbers of worker processes')
    parser.add_argument('--packed', metavar='FILE', help='the same images for mmsimmim.PackedImageFolder')
    parser.add_argument('--batch-size', type=int, default=64, help='images per batch (default: %(default)s)')
    parser.add_argument('--img-size', type=int, default=192, metavar='PIXELS',
                        help='side of the crops (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=15, help='timed batches of each (default: %(default)s)')
    parser.add_argument('--warmup', type=int, default=2, help='batches before (default: %(default)s)')
    parser.add_argument('--make', type=int, metavar='N', help="write N of scikit-learn's photographs into DIR first")
    parser.add_argument('--size', type=int, nargs=2, default=(500, 375), metavar=('W', 'H'),
                        help='of these photographs, pixels (default: 500 375)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    args = parser.parse_args(argv)
    for name in ('batch_size', 'rounds', 'img_size'):
        if getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, got {getattr(args, name)}')
    if args.warmup < 0 or min([1, *args.workers]) < 1 or min(args.size) < 1 or args.make is not None and args.make < 1:
        parser.error('--warmup must be at least 0; --workers, --size and --make at least 1')
    if args.img_size % PATCH:
        parser.error(f'--img-size must be a multiple of {PATCH}, the side of a masked patch, got {args.img_size}')
    return args


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
    """Images per second end to end, the loaders alternating.

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


def print_report(result: dict[str, Any]) -> None:
    print(heading(result, PACKAGES), f"{result['images']} images, crops of {result['args']['img_size']} px", sep='\n')
    print('\nOne process, one thread:\n')
    print(markdown(
        ['', 'images / s', 'ms per image (quartiles)', 'speed-up over official', f'share of {LIMIT}', 'difference'],
        [[row['way'], f"{row['images_per_second']:.0f}",
          '{:.2f} ({:.2f}–{:.2f})'.format(row['ms_per_image'], *row['quartiles_ms']), f"{row['times_official']:.2f}",
          f"{row['share_of_decoder']:.0%}", '' if row['difference'] is None else f"{row['difference']:.2f}"]
         for row in result['core']]))
    if result['loaders']:
        print('\nData loaders with worker processes:\n')
        print(markdown(
            ['', 'workers', 'images / s (quartiles)', 'speed-up over official'],
            [[row['way'], str(row['workers']), '{:.0f} ({:.0f}–{:.0f})'.format(row['images_per_second'], *row[
                'quartiles']), f"{row['times_official']:.2f}"] for row in result['loaders']]))


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.make:
        make_photographs(args.folder, args.make, tuple(args.size))
    files, left_out = find_images(args.folder)
    say_left_out(left_out)
    use_one_thread()
    require_readable(files)
    init_default_scope('mmpretrain')
    result = dict(args={key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items()},
                  **provenance('cpu'), images=len(files), images_left_out=left_out,
                  core=measure_core(files, args), loaders=[])
    for workers in args.workers:
        result['loaders'] += measure_loaders(files, workers, args)
    if args.json:
        write_json(args.json, result)
    print_report(result)


if __name__ == '__main__':
    main()
