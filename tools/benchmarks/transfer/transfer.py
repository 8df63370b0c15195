"""The gain by pre-training: SimMIM, then fine-tuning, compared with random initialisation.

DATA_DIR holds train/ and validation/ (or val/) with one folder per class. All training images serve the pre-training,
without labels; shares of them, with labels, the fine-tuning. Each start uses the learning rate with which it did best
at 30 % of the labels, on another draw than those that are reported. Everything that is finished is kept in OUT, so that
the same command resumes after an interruption. The tables are in OUT/results.md, all numbers in OUT/results.json.
"""

import argparse
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.threads import limit_thread_spinning  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.transfer.transfer_presets import PRESETS  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', metavar='DATA_DIR', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for results, logs and the checkpoint')
    parser.add_argument('--preset', choices=PRESETS, default='cpu', help='size of everything (default: cpu)')
    parser.add_argument('--seeds', type=int, default=3, help='fine-tunings of each kind (default: 3)')
    parser.add_argument('--times', type=int, default=1,
                        help='fine-tune for as many times the epochs of the preset, after the same pre-training and at '
                        'the same rates; results go to OUT/results_xTIMES.* (default: 1)')
    args = parser.parse_args(argv)
    for name in ('seeds', 'times'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1, got {getattr(args, name)}')
    return args


def main() -> None:
    args = parse_args()
    limit_thread_spinning()
    from tools.benchmarks.transfer.transfer_parts import Benchmark, tables

    logging.getLogger('PIL').setLevel(logging.WARNING)
    try:
        results = Benchmark(PRESETS[args.preset], args.data, args.out, args.seeds, args.times).run()
    except UserError as error:
        sys.exit(str(error))
    print(tables(results))


if __name__ == '__main__':
    main()
