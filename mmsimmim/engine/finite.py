"""What of a training is not finite: gradients of a step, and all that a checkpoint would hold."""

from collections.abc import Iterable, Iterator

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..errors import UserError


def require_finite(runner) -> None:
    """Stop before a checkpoint is written that holds a value which is not finite; all processes stop alike.

    Parameters, buffers, averaged models and the optimizer's state are looked at, on their device. Infinite values of
    buffers that are no statistics of a norm are let pass: such buffers are constants, as masks of attention.

    Args:
        runner (Runner | FlexibleRunner): The runner of a training; every process must take part.

    Raises:
        UserError: With the first names. Files written before are left as they are.
    """
    broken = find_not_finite(_tensors_of(runner))
    found = torch.tensor(float(len(broken)), device=next(runner.model.parameters()).device)
    if get_world_size() > 1:
        all_reduce(found, op='max')
    number = int(found.cpu().numpy())
    if number:
        names = ', '.join(broken[:3]) + (', ...' if len(broken) > 3 else '') if broken else 'in another process'
        raise UserError(
            f'The training has diverged: {number} tensors of the model or the optimizer hold values that are not '
            f'finite ({names}). No checkpoint is written, and none is deleted. Go on from the last one (--resume) '
            'with a lower learning rate, or look for the input that causes it.')


def find_not_finite(tensors: Iterable[tuple[str, Tensor, bool]]) -> list[str]:
    """Which tensors hold NaN or infinity, with one transfer from each device.

    Args:
        tensors (Iterable[tuple[str, Tensor, bool]]): Name, tensor (of a sharded one this process's shard is looked
            at), and whether it may be infinite.

    Returns:
        list[str]: Names.
    """
    flags: dict[torch.device, list[tuple[str, Tensor]]] = {}
    for name, tensor, may_be_infinite in tensors:
        local = tensor.to_local() if hasattr(tensor, 'to_local') else tensor
        if local.is_floating_point() and local.numel() and not local.is_meta:
            largest = torch.linalg.vector_norm(local.detach(), float('inf'))
            flags.setdefault(local.device, []).append((name, largest.isnan() if may_be_infinite
                                                       else ~largest.isfinite()))
    return [name for found in flags.values()
            for (name, _), bad in zip(found, torch.stack([flag for _, flag in found]).cpu().numpy()) if bad]


def total_norm(parameters: Iterable[Tensor]) -> Tensor | None:
    """The norm of all gradients, without waiting for the device.

    Args:
        parameters (Iterable[Tensor]): Sharded ones too; then every process must take part.

    Returns:
        Tensor | None: Of no dimension; None if there are no gradients.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return None
    norms = torch._foreach_norm(gradients)
    norm = torch.linalg.vector_norm(torch.stack([one.to(norms[0].device) for one in norms]))
    return norm.full_tensor() if hasattr(norm, 'full_tensor') else norm


def wrappers_of(optim_wrapper: OptimWrapper | OptimWrapperDict | dict | None) -> list[OptimWrapper]:
    """The wrappers of single optimizers; none before they are built."""
    if isinstance(optim_wrapper, OptimWrapperDict):
        return list(optim_wrapper.values())
    return [optim_wrapper] if isinstance(optim_wrapper, OptimWrapper) else []


def statistics_of(model: nn.Module) -> list[Tensor]:
    """Buffers that a forward pass changes: the running statistics of norms."""
    return [buffer for module in model.modules() if isinstance(module, _NormBase)
            for buffer in module.buffers(recurse=False)]


def _tensors_of(runner) -> Iterator[tuple[str, Tensor, bool]]:
    averaged = [('ema.', hook.ema_model) for hook in runner.hooks if hasattr(hook, 'ema_model')]
    for prefix, model in [('', runner.model), *averaged]:
        for name, parameter in model.named_parameters():
            yield prefix + name, parameter, False
        statistics = {id(buffer) for buffer in statistics_of(model)}
        for name, buffer in model.named_buffers():
            yield prefix + name, buffer, id(buffer) not in statistics
    names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
    for wrapper in wrappers_of(runner.optim_wrapper):
        for parameter, state in wrapper.optimizer.state.items():
            for key, value in state.items():
                if isinstance(value, Tensor):
                    yield f'{key} of {names.get(id(parameter), "a parameter")}', value, False
