"""Tensors that are made once and kept, as long as they are few bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch
from torch import Tensor


class TensorCache:
    """The tensors that were used last, by key.

    Tensors that a tracer or a mode put in place of real ones (fake, functional, of ``torch.func``) are given back, but
    never kept: in a later pass they would stand for numbers that nobody has.

    Args:
        max_bytes (int): Of all tensors together; those used longest ago are dropped first, and a tensor that needs
            more than half of it is not kept at all.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._tensors: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """The tensor of a key, made if it is not here."""
        tensor = self._tensors.pop(key, None)
        if tensor is None:
            tensor = make()
        if is_real(tensor) and 2 * tensor.nbytes <= self.max_bytes:
            self._tensors[key] = tensor  # as the last
            while self.nbytes > self.max_bytes:
                self._tensors.popitem(last=False)
        return tensor

    def clear(self) -> None:
        """Drop all tensors."""
        self._tensors.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self._tensors.values())

    def __len__(self) -> int:
        return len(self._tensors)


def is_real(tensor: Tensor) -> bool:
    """Whether a tensor has numbers of its own, and is none that tracing or ``torch.func`` put in place of one."""
    wrapped = torch._is_functional_tensor(tensor) or torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return type(tensor) is Tensor and not tensor.is_meta and not wrapped
