"""What the cases of a row come to: both implementations run, compared and put into a table."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tools.benchmarks.machine import markdown
from tools.benchmarks.operators.box_cases import nms_rows, soft_nms_rows
from tools.benchmarks.operators.convolution_cases import convolution_rows
from tools.benchmarks.operators.feature_cases import attention_rows, focal_rows, roi_align_rows
from tools.benchmarks.operators.row import Row

ROWS = (nms_rows, soft_nms_rows, roi_align_rows, convolution_rows, attention_rows, focal_rows)


@dataclass
class Outcome:
    """What the cases of a row came to.

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


def all_rows() -> list[Row]:
    """The rows of all operators."""
    return [row for family in ROWS for row in family()]


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
