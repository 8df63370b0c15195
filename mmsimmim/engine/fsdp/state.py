"""Full tensors from shards, and shards from full tensors."""

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

try:
    from torch.distributed.tensor import DTensor, distribute_tensor
except ImportError:  # PyTorch 2.4, where no model is sharded
    DTensor = ()


def without_weights(model: nn.Module) -> nn.Module:
    """A copy on the meta device, made without copying any tensor."""
    tensors = [*model.parameters(), *model.buffers()]
    empty = (nn.Parameter(t.to('meta'), t.requires_grad) if isinstance(t, nn.Parameter) else t.to('meta')
             for t in tensors)
    return copy.deepcopy(model, memo={id(tensor): copied for tensor, copied in zip(tensors, empty)})


def with_shards_of(model: nn.Module, skeleton: nn.Module) -> nn.Module:
    """A copy of a sharded model that holds copies of its shards and buffers, but cannot be called.

    Args:
        model (nn.Module): Sharded; at the moment each process must hold its shards alone.
        skeleton (nn.Module): The model without its weights.

    Returns:
        nn.Module: Its parameters are sharded as those of the model, and in the same order.
    """
    tensors = dict([*model.named_parameters(), *model.named_buffers()])
    memo = {}
    for name, empty in [*skeleton.named_parameters(), *skeleton.named_buffers()]:
        copied = tensors[name].detach().clone()
        memo[id(empty)] = nn.Parameter(copied, empty.requires_grad) if isinstance(empty, nn.Parameter) else copied
    return copy.deepcopy(skeleton, memo)


def load_full(model: nn.Module, skeleton: nn.Module, load: Callable[[nn.Module], Any]) -> None:
    """Load full tensors into a sharded model, or into a copy of its shards; every process must take part.

    They go through a model that is not sharded first, so that names are converted and tables resized as in any
    other run.

    Args:
        model (nn.Module): Gets the weights.
        skeleton (nn.Module): The model without its weights, which is not changed.
        load (Callable): Loads into a model that is not sharded, with the same weights, on the CPU.
    """
    plain = copy.deepcopy(skeleton).to_empty(device='cpu')
    mine, whole = model.state_dict(), plain.state_dict()  # both share the memory of their model
    for name, tensor in mine.items():
        whole[name].copy_(gather(tensor))
    load(plain)
    for name, tensor in mine.items():
        tensor.copy_(local_shard(whole[name], tensor))


def gather(value: Any, keep: bool = True) -> Any:
    """Full tensors, on the CPU, in place of shards, in any nesting of dicts and lists.

    Args:
        value (Any): With the same tensors in the same order in every process.
        keep (bool): Whether this process gets them, or None for each. Defaults to True.

    Returns:
        Any: Of the same structure.
    """
    if type(value) in (dict, OrderedDict):
        gathered = type(value)((key, gather(part, keep)) for key, part in value.items())
        if hasattr(value, '_metadata'):
            gathered._metadata = value._metadata  # versions of the modules, by which some of them load older files
        return gathered
    if type(value) in (list, tuple):
        return type(value)(gather(part, keep) for part in value)
    if not isinstance(value, Tensor):
        return value
    whole = value.full_tensor() if isinstance(value, DTensor) else value
    return whole.cpu() if keep else None


def local_shard(full: Any, like: Tensor) -> Any:
    """The shard of a tensor on this process.

    Args:
        full (Any): The tensor, the same in every process. Anything but a tensor of the shape of ``like`` is returned as
            it is.
        like (Tensor): A tensor that is sharded as this one is to be, or one that is not sharded.

    Returns:
        Any: The shard, on the device of ``like``.
    """
    if not (isinstance(like, DTensor) and isinstance(full, Tensor) and full.shape == like.shape):
        return full
    return distribute_tensor(full, like.device_mesh, like.placements, src_data_rank=None)
