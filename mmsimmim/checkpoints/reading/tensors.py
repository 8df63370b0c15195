"""Tensors of a file: views of bytes that are in it, none of anything else.

What a pickle says of sizes, strides and offsets is checked here against the bytes, before PyTorch sees it.
"""

import math
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

MAX_DIMENSIONS = 64  # of PyTorch
MAX_VALUES = 2**48  # also of the other sides where one is 0
# Bytes that all tensors of a file may have beyond those of their storages, as expanded ones do.
MAX_EXPANSION = 1 << 28

_KINDS = dict(Double=torch.float64, Float=torch.float32, Half=torch.float16, BFloat16=torch.bfloat16, Long=torch.int64,
              Int=torch.int32, Short=torch.int16, Char=torch.int8, Byte=torch.uint8, Bool=torch.bool,
              ComplexDouble=torch.complex128, ComplexFloat=torch.complex64, Untyped=torch.uint8)
# Of the storages that a pickle names.
DTYPES = {f'{module}.{kind}Storage': dtype for kind, dtype in _KINDS.items()
          for module in (('torch', 'torch.storage') if kind == 'Untyped' else ('torch', 'torch.cuda'))}


class Storage(NamedTuple):
    """Bytes of a file.

    Args:
        data (torch.UntypedStorage): The bytes.
        dtype (torch.dtype): What they are.
        count (int): Number of values.
    """

    data: torch.UntypedStorage
    dtype: torch.dtype
    count: int


class Tensors:
    """Makes the tensors of one file."""

    def __init__(self) -> None:
        self._left = MAX_EXPANSION

    def tensor(self, storage: Storage, offset: int, size: tuple, stride: tuple, *, dtype: torch.dtype | None = None,
               requires_grad: bool = False) -> Tensor:
        """A view of a storage.

        Args:
            storage (Storage): Of the file.
            offset (int): First value.
            size (tuple[int, ...]): The shape.
            stride (tuple[int, ...]): Values from one to the next, along each axis.
            dtype (torch.dtype, optional): Of the tensor, if not of the storage. Defaults to None.
            requires_grad (bool): As of a tensor. Defaults to False.

        Raises:
            UnpicklingError: It would reach beyond the storage, or be far larger than it, or is no view at all.
        """
        if type(storage) is not Storage or type(requires_grad) is not bool:
            raise UnpicklingError('a tensor of something else than numbers of the file')
        dtype = storage.dtype if dtype is None else dtype
        if type(dtype) is not torch.dtype:
            raise UnpicklingError('a tensor of an unknown type')
        count = storage.data.nbytes() // dtype.itemsize
        values = _require_view(offset, tuple(size), tuple(stride), count)
        self._left -= max(0, values - count) * dtype.itemsize
        if self._left < 0:
            raise UnpicklingError(f'a tensor of the shape {tuple(size)} in a storage of {count} values')
        view = torch.empty(0, dtype=dtype, device=storage.data.device)
        return view.set_(storage.data, offset, tuple(size), tuple(stride)).requires_grad_(requires_grad)

    def rebuild(self, storage: Storage, offset: int, size: tuple, stride: tuple, requires_grad: bool = False,
                hooks: Any = None, metadata: Any = None) -> Tensor:
        """Stand in for ``_rebuild_tensor`` and ``_rebuild_tensor_v2``; hooks of gradients are left out."""
        _require_none(metadata)
        return self.tensor(storage, offset, size, stride, requires_grad=requires_grad)

    def rebuild_v3(self, storage: Storage, offset: int, size: tuple, stride: tuple, requires_grad: bool, hooks: Any,
                   dtype: torch.dtype, metadata: Any = None) -> Tensor:
        """Stand in for ``_rebuild_tensor_v3``: types of numbers that have no class of storages."""
        _require_none(metadata)
        return self.tensor(storage, offset, size, stride, dtype=dtype, requires_grad=requires_grad)


def rebuild_parameter(data: Tensor, requires_grad: bool, hooks: Any = None, state: Any = None) -> nn.Parameter:
    """Stand in for ``_rebuild_parameter``; attributes are left out."""
    if type(data) is not Tensor or type(requires_grad) is not bool:
        raise UnpicklingError(f'a parameter of a {type(data).__name__}')
    return nn.Parameter(data, requires_grad)


def size_of(sides: Any = ()) -> torch.Size:
    """Stand in for ``torch.Size``."""
    sides = tuple(sides)
    if len(sides) > MAX_DIMENSIONS or any(type(side) is not int or abs(side) > MAX_VALUES for side in sides):
        raise UnpicklingError('a shape that no tensor has')
    return torch.Size(sides)


def _require_view(offset: Any, size: tuple, stride: tuple, count: int) -> int:
    """The number of values of a view that lies in a storage of ``count`` values."""
    if (len(size) != len(stride) or len(size) > MAX_DIMENSIONS
            or any(type(number) is not int or number < 0 for number in (offset, *size, *stride))
            or math.prod(side or 1 for side in size) > MAX_VALUES):
        raise UnpicklingError('a tensor of an impossible shape')
    values = math.prod(size)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride)) if values else offset - 1
    if last >= count:
        raise UnpicklingError(f'a tensor of the shape {size} that reaches beyond the {count} values of its storage')
    return values


def _require_none(metadata: Any) -> None:
    if metadata:
        raise UnpicklingError('a tensor that is conjugated or negated as it is used')
