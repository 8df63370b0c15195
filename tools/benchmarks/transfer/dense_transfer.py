"""The gain by pre-training in detection and segmentation: Mask R-CNN and UPerNet from SimMIM and from random weights.

DATA_DIR holds images/{train,val}/, instances_{train,val}.json (COCO, with masks) and labels/{train,val}/*.png (0 for
the background, then the categories in the order of their ids). All training images serve the pre-training, without
labels; shares of them, with labels, the training of both networks, for as many steps from either start. Each start uses
the learning rate with which it did best at 30 % of the labels, on another draw than those that are reported. Everything
that is finished is kept in OUT, so that the same command resumes after an interruption. The tables are in
OUT/results.md, all numbers in OUT/results.json.
"""

import argparse
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.threads import limit_thread_spinning  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.transfer.dense_transfer_presets import MEASURES, PRESETS  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', metavar='DATA_DIR', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for results, logs and the checkpoint')
    parser.add_argument('--preset', choices=PRESETS, default='cpu', help='size of everything (default: cpu)')
    parser.add_argument('--tasks', nargs='+', choices=['pretraining', *MEASURES], default=list(MEASURES),
                        help='what to train after the pre-training, which comes first if it is not there; '
                        '"pretraining" alone stops behind it. Then det and seg may run side by side (default: both)')
    parser.add_argument('--seeds', type=int, default=3, help='trainings of each kind (default: 3)')
    args = parser.parse_args(argv)
    if args.seeds < 1:
        parser.error(f'--seeds must be at least 1, got {args.seeds}')
    return args


def main() -> None:
    args = parse_args()
    limit_thread_spinning()
    from tools.benchmarks.transfer.dense_transfer_parts import Benchmark, tables

    logging.getLogger('PIL').setLevel(logging.WARNING)
    try:
        results = Benchmark(PRESETS[args.preset], args.data, args.out, args.seeds).run(args.tasks)
    except UserError as error:
        sys.exit(str(error))
    print(tables(results))


if __name__ == '__main__':
    main()
