"""A row of the table: what both implementations are given, and how much of a difference counts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Extension = Any  # a module or a namespace with the functions of ``mmcv._ext``


@dataclass
class Row:
    """A line of the table.

    Attributes:
        operator (str): Name of the operator.
        what (str): What is varied.
        cases (list): Each maps an extension to the named results of one call.
        tolerance (float): Largest difference, relative to the largest value of a result, that counts as equal; 0 where
            results are indices, or follow from the same operations in the same order.
        known (str): Why results differ, if that is known and meant. Default: ''.
    """

    operator: str
    what: str
    cases: list[Callable[[Extension], dict[str, Tensor]]]
    tolerance: float = 0.0
    known: str = ''


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def short(dtype: torch.dtype) -> str:
    """Such as ``float32``."""
    return str(dtype).removeprefix('torch.')
