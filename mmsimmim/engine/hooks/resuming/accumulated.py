"""Gradients of an update that a checkpoint falls into the middle of, where steps are accumulated."""

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.runner import FlexibleRunner, Runner
from torch import Tensor

from ...finite import wrappers_of
from ...fsdp import is_sharded

# In a checkpoint, by name of the parameter.
GRADIENTS = 'accumulated_gradients'


def accumulated_gradients(runner: Runner | FlexibleRunner) -> dict[str, Tensor]:
    """What a resumed run would miss; all processes have to call it.

    Args:
        runner (Runner | FlexibleRunner): The runner of the training.

    Returns:
        dict[str, Tensor]: The gradient of each parameter that has one, on the CPU; in several processes their mean, as
        the update will take it. Empty between two updates, and for models that are sharded.
    """
    if all(wrapper.should_update() for wrapper in wrappers_of(runner.optim_wrapper)) or is_sharded(runner.model):
        return {}
    found = {}
    for name, parameter in _parameters(runner).items():
        if parameter.grad is not None:
            gradient = parameter.grad.detach().clone()
            all_reduce(gradient, op='sum')
            found[name] = (gradient / get_world_size()).cpu()
    return found


def restore_gradients(runner: Runner | FlexibleRunner, gradients: dict[str, Tensor]) -> None:
    """Let an update go on from them.

    Args:
        runner (Runner | FlexibleRunner): The runner, resumed, before its first step.
        gradients (dict[str, Tensor]): As :func:`accumulated_gradients` returns them.
    """
    if not gradients or is_sharded(runner.model):
        return
    for name, parameter in _parameters(runner).items():
        if name in gradients and parameter.requires_grad:
            parameter.grad = gradients[name].to(parameter, copy=True)
    runner.logger.info('The gradients accumulated since the last update are restored: none is lost.')


def _parameters(runner: Runner | FlexibleRunner) -> dict[str, torch.nn.Parameter]:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return dict(model.named_parameters())
