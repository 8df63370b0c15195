"""Pack an image folder into one file, for storage on which many small files are slow.

    python -m mmsimmim pack_images /data/imagenet/train train.lmdb
    python -m mmsimmim pack_images /data/imagenet/train train_256.lmdb --short-side 256
    python -m mmsimmim pack_images --check train.lmdb

In a config it replaces the folder: dataset=dict(type='mmsimmim.PackedImageFolder', data_root='train.lmdb').
An interrupted conversion continues when the same command is given again. Pack on a
local disk, then copy the file.

Without --short-side files are stored as they are. With it larger images are stored as JPEG in 8 bits, rotated by their
EXIF data and without alpha channel, as mmsimmim.LoadImage returns them. Stored as they are: smaller images, and those
of a single channel with 16 or 32 bits, which would lose depth. Files that cannot be decoded are named and stored as
they are; of those that cannot be opened the reason is stored.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable

from ..errors import UserError, shown
from .common.mistakes import report_mistakes

WORD_EVERY = 10.0  # seconds between two lines about progress


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?', help='searched for images with all below it, as by mmsimmim.ImageFolder')
    parser.add_argument('out', nargs='?', metavar='OUT.lmdb', help='where the images go')
    parser.add_argument('--short-side', type=int, metavar='PX',
                        help='make larger images as small as this (default: store files as they are)')
    parser.add_argument('--quality', type=int, metavar='Q', help='of the JPEGs of --short-side (default: 95)')
    parser.add_argument('--suffixes', nargs='+', metavar='.SUFFIX',
                        help='endings that count as images (default: the common ones)')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), metavar='N',
                        help='threads that read, decode and encode (default: as many as there are cores)')
    parser.add_argument('--check', metavar='FILE', help='verify each record of a packed file instead')
    args = parser.parse_args(argv)
    check_arguments(parser, args)
    return args


def check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse impossible arguments, before anything is read."""
    if args.check and (args.folder or args.short_side or args.quality):
        parser.error('--check FILE goes without a folder and options of packing')
    if not args.check and not args.out:
        parser.error('give the folder and the file, or --check FILE')
    if args.quality and not args.short_side:
        parser.error('--quality belongs to --short-side: otherwise files are stored as they are')
    args.quality = 95 if args.quality is None else args.quality
    for name, least, most in (('workers', 1, 1024), ('short_side', 1, 65500), ('quality', 1, 100)):
        value = getattr(args, name)
        if value is not None and not least <= value <= most:
            parser.error(f'--{name.replace("_", "-")} must lie between {least} and {most}, got {value}')


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..datasets.image_folder import IMAGE_SUFFIXES
    from ..datasets.packed.packing import pack

    if args.check:
        check(args.check, args.workers)
        return
    if not os.path.isdir(args.folder):
        raise UserError(f'There is no folder {args.folder} (working folder: {os.getcwd()}).')
    suffixes = ['.' + suffix.lower().lstrip('.') for suffix in args.suffixes or IMAGE_SUFFIXES]
    packed = pack(args.folder, args.out, args.short_side, args.quality, suffixes, args.workers, words('packed'))
    for path, reason in packed.unreadable.items():
        print(f"unreadable by LoadImage's defaults, with which a training passes over it: {shown(path)}: "
              f'{shown(reason)}', file=sys.stderr)
    print(f'{args.out}: {packed.count} images{", packed before" if packed.already else ""}, '
          f"{len(packed.unreadable)} of which are unreadable by LoadImage's defaults; "
          f'{os.path.getsize(args.out) / 2**20:.1f} MiB')


def check(path: str, workers: int) -> None:
    """Name the records that differ from what was packed; exit code 1 if there are any."""
    from ..datasets.packed.apart import check_apart

    faults = 0

    def report(fault: str) -> None:
        nonlocal faults
        print(shown(fault))
        faults += 1

    count = check_apart(path, workers, words('checked'), report)
    if faults:
        sys.exit(f'error: {path}: {faults} faults in {count} records. Copy the file again, or pack anew.')
    print(f'{path}: {count} records are as they were packed')


def words(what: str) -> Callable[[int, int], None]:
    """A function that prints progress to stderr at intervals."""
    start = last = time.monotonic()

    def tell(done: int, count: int) -> None:
        nonlocal last
        if time.monotonic() - last > WORD_EVERY:
            last = time.monotonic()
            print(f'{what} {done} of {count} images after {last - start:.0f} s', file=sys.stderr)

    return tell

