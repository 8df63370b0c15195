"""Few images: the recipe that `mmsimmim pretrain` chooses, the config for a folder, and random weights.

For as much processor time each, both pre-train the same small encoder on the training images, without their labels;
from each start a classifier, a Mask R-CNN, a UPerNet and an ATSS are trained with labels, with the better one of a few
learning rates for each start, found on another draw of the labels than those that are reported. Everything that is
finished is kept in OUT, so that the same command resumes after an interruption; several of them may work side by side
on other --tasks. The table is in OUT/results.md, all numbers in OUT/results.json.
"""

import argparse
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.threads import limit_thread_spinning  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.transfer.few_images_presets import TASKS, Preset  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('photos', type=Path, metavar='PHOTOS_DIR', help='train/ and validation/, a folder per class')
    parser.add_argument('nuclei', type=Path, metavar='NUCLEI_DIR', help='as dense_transfer.py takes it')
    parser.add_argument('aerial', type=Path, metavar='AERIAL_DIR', help='as demo/data/aerial')
    parser.add_argument('--out', type=Path, required=True, help='folder for results, logs and checkpoints')
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=list(TASKS), help='default: all')
    parser.add_argument('--seconds', type=float, default=Preset.seconds,
                        help='processor time of a pre-training (default: %(default)g)')
    parser.add_argument('--seeds', type=int, default=3, help='pre-trainings of each kind (default: %(default)s)')
    return parser.parse_args(argv)


def main() -> None:
    args = parse_args()
    limit_thread_spinning()
    from tools.benchmarks.transfer.few_images_parts import Benchmark, table

    logging.getLogger('PIL').setLevel(logging.WARNING)
    data = dict(photos=args.photos, nuclei=args.nuclei, aerial=args.aerial)
    try:
        results = Benchmark(Preset(seconds=args.seconds), data, args.out, args.seeds).run(args.tasks)
    except UserError as error:
        sys.exit(str(error))
    print(table(results))


if __name__ == '__main__':
    main()
