"""Compare the stand-ins for mmcv's operators with the real ones, compiled here from a source of mmcv. Needs no GPU.

    python tools/benchmarks/operators/compare.py
    pip download --no-deps --no-binary :all: --no-build-isolation onedl-mmcv==2.3.6
    python tools/benchmarks/operators/compare.py --source onedl_mmcv-2.3.6.tar.gz

Needs a C++ compiler and ninja (`pip install ninja`); takes some minutes. Without --source it is the source that the
installed mmcv or mmcv-lite brings. Every row of the table is a number of cases, each with the same tensors for both,
forward and gradients. "Same bits" counts the cases in which no bit of any result differs; a difference is relative to
the largest value of a result. The operators are those for CPUs. Three exist for GPUs only: the focal loss, multi-scale
deformable attention and the test of overlap of a GPU's NMS are mmcv's kernels, run as loops of one thread.

The exit status is 1 if results differ by more than a row allows and no reason is known.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from tools.benchmarks.machine import heading, provenance  # noqa: E402
from tools.benchmarks.operators.compile_mmcv import build, find_source, source_version  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--source', type=Path, help="a source, unpacked or packed (default: the installed mmcv's)")
    parser.add_argument('--build', type=Path, help='folder for compiled files, kept for the next call (default: none)')
    parser.add_argument('--verbose', action='store_true', help="print the compiler's output")
    return parser.parse_args()


@report_mistakes
def main() -> int:
    """Builds, compares, prints the table."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        package = find_source(args.source, Path(scratch) / 'source')
        from mmsimmim.compat.mmcv_ops import SUPPORTED
        from tools.benchmarks.operators.comparison import all_rows, compare, table

        start = time.perf_counter()
        compiled = build(package, args.build or Path(scratch) / 'build', args.verbose)
        seconds = time.perf_counter() - start
        stand_ins = SimpleNamespace(**{function.__name__: function for function in SUPPORTED})
        rows = all_rows()
        outcomes = [compare(row, compiled, stand_ins) for row in rows]
        cases = sum(outcome.cases for outcome in outcomes)
        print(f'Source: {source_version(package)}, compiled in {seconds:.0f} s; {cases} cases.')
        print(f'{heading(provenance("cpu"), ("torch", "torchvision"))}\n\n{table(rows, outcomes)}')
    return int(any(outcome.apart and not row.known for row, outcome in zip(rows, outcomes)))


if __name__ == '__main__':
    sys.exit(main())
