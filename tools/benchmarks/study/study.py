"""The paper's study in small: which mask, head, target and area make good features?

DATA_DIR holds train/ and validation/ (or val/) with one folder per class. Each arm differs from the default in one
thing. It pre-trains on all training images, without labels, and is then measured: nearest neighbours and a linear probe
on frozen features, and fine-tuning with labels. The main arms do so with every seed, which changes the pre-training,
too. Everything that is finished is kept in OUT, so that the same command resumes after an interruption. OUT/results.md
has the tables, OUT/results.json all numbers, OUT/*.png the plots.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.threads import limit_thread_spinning  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.study.study_presets import STUDIES  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', metavar='DATA_DIR', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for results, logs and checkpoints')
    parser.add_argument('--preset', choices=STUDIES, default='cpu', help='size of everything (default: cpu)')
    parser.add_argument('--seeds', type=int, default=3, help='of the main arms (default: 3)')
    parser.add_argument('--jobs', type=int, default=1, help='trainings at a time, in processes (default: 1)')
    parser.add_argument('--report', action='store_true',
                        help='run nothing: write the tables and plots of what is finished so far')
    args = parser.parse_args()
    for name in ('seeds', 'jobs'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1, got {getattr(args, name)}')
    return args


def main() -> None:
    args = parse_args()
    limit_thread_spinning()
    from tools.benchmarks.study.study_parts import Study, report, run_all
    from tools.benchmarks.study.study_report import tables

    study = (args.preset, args.data, args.out, args.seeds)
    try:
        results = report(Study(*study)) if args.report else run_all(study, args.jobs)
    except UserError as error:
        sys.exit(str(error))
    print(tables(results))


if __name__ == '__main__':
    main()
