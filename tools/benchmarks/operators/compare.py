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
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from mmsimmim.compat.mmcv_ops import SUPPORTED  # noqa: E402
from tools.benchmarks.machine import heading, markdown, provenance  # noqa: E402
from tools.benchmarks.operators.box_cases import nms_rows, soft_nms_rows  # noqa: E402
from tools.benchmarks.operators.compile_mmcv import build, find_source, source_version  # noqa: E402
from tools.benchmarks.operators.convolution_cases import convolution_rows  # noqa: E402
from tools.benchmarks.operators.feature_cases import attention_rows, focal_rows, roi_align_rows  # noqa: E402
from tools.benchmarks.operators.row import Row  # noqa: E402

ROWS = (nms_rows, soft_nms_rows, roi_align_rows, convolution_rows, attention_rows, focal_rows)


@dataclass
class Outcome:
    """The result of the cases of a row.

    Attributes:
        cases (int): How many there are.
        same_bits (int): In how many nothing differs, or both refuse.
        refused (int): In how many both refuse.
        apart (int): In how many something differs by more than the row allows, or one refuses.
        largest (float): Largest difference, relative to the largest value of its result; of indices, infinite.
    """

    cases: int = 0
    same_bits: int = 0
    refused: int = 0
    apart: int = 0
    largest: float = 0.0


def compare(row: Row, compiled, stand_ins) -> Outcome:
    """Runs the cases of a row with both."""
    outcome = Outcome()
    if row.in_float32:
        compiled = InFloat32(compiled)
    for case in row.cases:
        real, ours = _results(case, compiled), _results(case, stand_ins)
        outcome.cases += 1
        if real is None and ours is None:
            outcome.same_bits += 1
            outcome.refused += 1
            continue
        distance = float('inf')
        if real is not None and ours is not None:
            distance = max(difference(real[name], ours[name]) for name in real)
        outcome.same_bits += distance == 0
        outcome.apart += distance > row.tolerance
        outcome.largest = max(outcome.largest, distance)
    return outcome


class InFloat32:
    """An extension whose functions get float32 copies of float16 tensors; what they write is rounded once."""

    def __init__(self, extension) -> None:
        self.extension = extension

    def __getattr__(self, name: str):
        function = getattr(self.extension, name)

        def run(*tensors, **settings):
            half = [isinstance(tensor, Tensor) and tensor.dtype == torch.float16 for tensor in tensors]
            wide = [tensor.float() if is_half else tensor for tensor, is_half in zip(tensors, half)]
            result = function(*wide, **settings)
            for tensor, copy, is_half in zip(tensors, wide, half):
                if is_half and tensor.numel():
                    tensor.copy_(copy)
            return result

        return run


def _results(case, extension) -> dict[str, Tensor] | None:
    try:
        return case(extension)
    except (RuntimeError, ValueError):  # what an operator raises that refuses its arguments
        return None


def difference(real: Tensor, ours: Tensor) -> float:
    """Largest difference relative to the largest value of ``real``; infinite for other shapes, indices or NaN."""
    if real.shape != ours.shape:
        return float('inf')
    if torch.equal(real, ours) or real.numel() == 0:
        return 0.0
    if not real.is_floating_point() or not torch.equal(real.isfinite(), ours.isfinite()):
        return float('inf')
    real, ours = real.double().nan_to_num(), ours.double().nan_to_num()
    return float((real - ours).abs().max() / real.abs().max().clamp(min=torch.finfo(torch.float64).tiny))


def table(rows: list[Row], outcomes: list[Outcome]) -> str:
    """The table in Markdown."""
    lines = []
    for row, outcome in zip(rows, outcomes):
        largest = 'other indices' if outcome.largest == float('inf') else f'{outcome.largest:.0e}'
        numbers = (str(outcome.cases), str(outcome.same_bits), largest if outcome.largest else '0')
        lines.append((row.operator, row.what, *numbers, verdict(row, outcome)))
    return markdown(('operator', 'cases', 'number', 'same bits', 'largest difference', ''), lines)


def verdict(row: Row, outcome: Outcome) -> str:
    """The last cell of a row."""
    if outcome.apart:
        return f'{outcome.apart} differ' + (f': {row.known}' if row.known else '')
    if outcome.refused == outcome.cases:
        return 'both refuse'
    return row.known if outcome.largest and row.known else 'equal'


@report_mistakes
def main() -> int:
    """Builds, compares, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--source', type=Path, help="a source, unpacked or packed (default: the installed mmcv's)")
    parser.add_argument('--build', type=Path, help='folder for compiled files, kept for the next call (default: none)')
    parser.add_argument('--verbose', action='store_true', help="print the compiler's output")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        package = find_source(args.source, Path(scratch) / 'source')
        start = time.perf_counter()
        compiled = build(package, args.build or Path(scratch) / 'build', args.verbose)
        seconds = time.perf_counter() - start
        stand_ins = SimpleNamespace(**{function.__name__: function for function in SUPPORTED})
        rows = [row for family in ROWS for row in family()]
        outcomes = [compare(row, compiled, stand_ins) for row in rows]
        cases = sum(outcome.cases for outcome in outcomes)
        print(f'Source: {source_version(package)}, compiled in {seconds:.0f} s; {cases} cases.')
        print(f'{heading(provenance("cpu"), ("torch", "torchvision"))}\n\n{table(rows, outcomes)}')
    return int(any(outcome.apart and not row.known for row, outcome in zip(rows, outcomes)))


if __name__ == '__main__':
    sys.exit(main())
