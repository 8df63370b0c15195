"""Counting the bytes of live tensors."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of the tensors that are created in its context, as long as they live.

    Each storage counts once, however many tensors are views of it, until the last of them is freed, those of autograd
    included. Earlier tensors do not count, nor do workspaces of an operation.

    Attributes:
        live (int): Bytes now.
        peak (int): The maximum at any time.

    Examples:
        >>> import torch
        >>> with LiveMemory() as memory:
        ...     x = torch.zeros(1000)
        ...     del x
        ...     y = torch.zeros(10).exp()
        >>> memory.live, memory.peak
        (40, 4000)
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known = Storages()
        self._paused = False

    def __torch_dispatch__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Run an operation, and count what it made."""
        kwargs = kwargs or {}
        if self._paused:
            return func(*args, **kwargs)
        tree_map_only(Tensor, lambda tensor: self._see(tensor, 0), (args, kwargs))
        out = func(*args, **kwargs)
        tree_map_only(Tensor, self.add, out)
        return out

    def add(self, tensor: Tensor) -> None:
        """Count a tensor that was made while counting was paused, unless it is known."""
        self._see(tensor, tensor.untyped_storage().nbytes())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the operations of this context."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    def _see(self, tensor: Tensor, num_bytes: int) -> None:
        if self._known.add(tensor, lambda: self._grow(-num_bytes)):
            self._grow(num_bytes)

    def _grow(self, num_bytes: int) -> None:
        self.live += num_bytes
        self.peak = max(self.peak, self.live)


class Storages:
    """The storages of tensors, as long as they live: a tensor is in here if its storage was added."""

    def __init__(self) -> None:
        self._addresses: set[int] = set()

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._addresses

    def add(self, tensor: Tensor, when_gone: Callable[[], None] = lambda: None) -> bool:
        """Add the storage of a tensor.

        Args:
            tensor (Tensor): The tensor.
            when_gone (Callable): Called when that storage is freed, if it is new here. Defaults to doing nothing.

        Returns:
            bool: Whether it is new here.
        """
        storage = tensor.untyped_storage()
        address = storage._cdata
        if address in self._addresses:
            return False
        self._addresses.add(address)
        weakref.finalize(storage, self._forget, address, when_gone)
        return True

    def _forget(self, address: int, when_gone: Callable[[], None]) -> None:
        self._addresses.discard(address)
        when_gone()
