"""A training step on fake tensors: they have shapes, and no values."""

import mmap
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from .live_memory import Storages

# Results of up to this number of elements are computed: they are cheap, and boxes of proposals are among them.
SMALL = 2**14


class FakeTensors(TorchDispatchMode):
    """Leaves out the computation of large floating-point tensors that depend on given ones, such as the weights.

    Each operation runs for its shapes alone; its result is zeros that take no memory until they are written to. So
    the step of a large detector on a CPU takes seconds instead of minutes, and allocates what it always does (see
    :class:`~.live_memory.LiveMemory`). Whatever does not depend on the weights, such as anchors and targets, is
    computed, and so are small results, integers and booleans, from zeros where they depend on large ones.

    Args:
        sources (Iterable[Tensor]): Tensors that no large result is computed from.

    Examples:
        >>> import torch
        >>> weight = torch.ones(200, 200)
        >>> with FakeTensors([weight]):
        ...     large, small = 2 * weight, weight.mean()
        >>> large.shape, large.sum().item(), small.item()
        (torch.Size([200, 200]), 0.0, 1.0)
    """

    def __init__(self, sources: Iterable[Tensor]) -> None:
        super().__init__()
        self._dependent = Storages()
        for tensor in sources:
            self._dependent.add(tensor)

    def __torch_dispatch__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Run an operation, or find out the shapes of its results."""
        kwargs = kwargs or {}
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if not any(tensor in self._dependent for tensor in inputs):
            return func(*args, **kwargs)
        out = self._without_values(func, args, kwargs)
        tree_map_only(Tensor, self._dependent.add, out)
        return out

    def _without_values(self, func: Callable, args: tuple, kwargs: dict) -> Any:
        aliases = [result.alias_info for result in func._schema.returns if result.alias_info is not None]
        if aliases:  # views, and operations in place
            in_place = all(alias.is_write for alias in aliases) and _is_large(args[0])
            return args[0] if in_place else func(*args, **kwargs)
        try:
            shapes = func(*tree_map_only(Tensor, _on_meta, args), **_on_meta_too(kwargs))
        except (NotImplementedError, RuntimeError):  # of an operation whose shapes depend on values
            return func(*args, **kwargs)
        if not any(_is_large(leaf) for leaf in tree_leaves(shapes)):
            return func(*args, **kwargs)
        return tree_map_only(Tensor, _zeros, shapes)


class Uninitialised(TorchDispatchMode):
    """Leaves out operations in place on large floating-point tensors, such as the initialisation of weights.

    A model that is built in this context and then given to :func:`without_values` takes no memory for its large
    parameters: the system gives it to a process only when it is written to.
    """

    def __torch_dispatch__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Run an operation, unless it is one of these."""
        aliases = [result.alias_info for result in func._schema.returns if result.alias_info is not None]
        in_place = bool(aliases) and all(alias.is_write for alias in aliases)
        return args[0] if in_place and _is_large(args[0]) else func(*args, **(kwargs or {}))


def without_values(model: nn.Module) -> nn.Module:
    """Make large parameters, and all gradients, zeros that take no memory until they are written to; in place."""
    for parameter in model.parameters():
        if _is_large(parameter):
            parameter.data = _zeros(parameter.to('meta'))
        parameter.grad = _zeros(parameter.to('meta')) if parameter.requires_grad else None
    return model


def _is_large(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.numel() > SMALL


def _on_meta(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device='meta')


def _on_meta_too(kwargs: dict) -> dict:
    kwargs = tree_map_only(Tensor, _on_meta, kwargs)
    return {**kwargs, 'device': torch.device('meta')} if kwargs.get('device') is not None else kwargs


def _zeros(shape: Tensor) -> Tensor:
    """Zeros of the shape of a tensor on the meta device, which the system makes when they are read."""
    num_bytes = shape.untyped_storage().nbytes()
    if num_bytes < mmap.PAGESIZE:
        return torch.zeros_like(shape, device='cpu')
    flat = torch.frombuffer(mmap.mmap(-1, num_bytes), dtype=shape.dtype)
    return flat.as_strided(shape.shape, shape.stride())
