"""A row of the table: the inputs of both implementations, and the tolerance."""

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
        in_float32 (bool): Give the compiled one float32 copies of float16 tensors. It works in float16 throughout, the
            positions of samples included; a stand-in works in float32 and rounds once. Default: False.
    """

    operator: str
    what: str
    cases: list[Callable[[Extension], dict[str, Tensor]]]
    tolerance: float = 0.0
    known: str = ''
    in_float32: bool = False


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def short(dtype: torch.dtype) -> str:
    """Such as ``float32``."""
    return str(dtype).removeprefix('torch.')
