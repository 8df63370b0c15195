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

Only .jpg, .jpeg and .png take part, which all pipelines read; each file is decoded once before, to find broken ones.

--make N writes N photographs into DIR first; --size 4000 3000 makes them large, which shows decoding at a reduced size.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from tools.benchmarks.data.masks import PATCH  # noqa: E402
from tools.benchmarks.kept_parts import write_json  # noqa: E402
from tools.benchmarks.machine import provenance  # noqa: E402


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


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from mmengine.registry import init_default_scope

    from tools.benchmarks.data.dataloader_measure import measure_core, measure_loaders
    from tools.benchmarks.data.dataloader_report import print_report
    from tools.benchmarks.data.files import find_images, require_readable, say_left_out
    from tools.benchmarks.data.photographs import make_photographs
    from tools.benchmarks.data.pipelines import use_one_thread

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
