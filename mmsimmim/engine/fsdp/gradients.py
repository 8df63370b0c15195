"""Which parameters have gradients, on which processes must agree before they sum them up."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import get_rank
from torch import Tensor, nn

from ...errors import UserError


def agree_on_gradients(module: nn.Module, find_unused_parameters: bool = False) -> None:
    """Let processes agree which parameters of a unit have a gradient, before PyTorch sums up the gradients of the unit.

    PyTorch packs those that there are into one tensor and trusts that they are the same everywhere. Where they are not,
    a process waits forever, or gradients of different parameters are added up. As under DDP, this is an error unless
    ``find_unused_parameters`` is on; then a missing gradient counts as zero if another process has one, and
    a parameter that no process used has none. (A parameter that no process ever uses needs neither.)

    Args:
        module (nn.Module): A unit that ``fully_shard`` has sharded.
        find_unused_parameters (bool): Whether to ask the other processes in every step. Defaults to False: in the
            first one, and afterwards the same parameters must have gradients.

    Raises:
        UserError: PyTorch is too new, and has changed inside.
    """
    try:
        group = module._get_fsdp_state()._fsdp_param_group
        post_backward = group and group.post_backward
    except AttributeError as error:
        raise UserError(f'FSDPStrategy does not know the insides of PyTorch {torch.__version__}: {error}. It was '
                        'tested with 2.11.') from error
    if group is not None:
        agreement = _fill_in if find_unused_parameters else _Expectation()
        # An attribute of the instance: PyTorch has no hook at this place.
        group.post_backward = _before(post_backward, lambda: agreement(group))


def _before(function: Callable, first: Callable) -> Callable:
    def both(*args: Any) -> Any:
        first()
        return function(*args)

    return both


def _fill_in(group: Any) -> None:
    """Zeros for what another process has a gradient of."""
    trained = _trained(group)
    if not trained:
        return
    here = [_has_gradient(parameter) for parameter in trained]
    for parameter, is_here, number in zip(trained, here, _count(group, here)):
        if number and not is_here:
            parameter._unsharded_param.grad = torch.zeros_like(parameter._unsharded_param)


class _Expectation:
    """An error where not all processes have the same gradients in every step."""

    def __init__(self) -> None:
        self.expected: list[bool] | None = None

    def __call__(self, group: Any) -> None:
        trained = _trained(group)
        here = [_has_gradient(parameter) for parameter in trained]
        if not any(here):  # a second pass of one step, or a unit that is not used: nothing is summed up
            return
        if self.expected is None or len(self.expected) != len(trained):
            numbers = _count(group, here)
            _require(trained, [number in (0, group._reduce_scatter_process_group.size()) for number in numbers],
                     'have a gradient in some processes and none in others')
            self.expected = here
            return
        _require(trained, [one == other for one, other in zip(here, self.expected)],
                 f'have a gradient in some steps and none in others (process {get_rank()})')


def _trained(group: Any) -> list:
    return [parameter for parameter in group.fsdp_params if parameter.sharded_param.requires_grad]


def _has_gradient(parameter: Any) -> bool:
    gathered = getattr(parameter, '_unsharded_param', None)
    return gathered is not None and (gathered.grad is not None or parameter.unsharded_accumulated_grad is not None)


def _count(group: Any, here: list[bool]) -> list[int]:
    """In how many processes each parameter has a gradient."""
    numbers: Tensor = torch.tensor(here, dtype=torch.int32, device=group.device)
    torch.distributed.all_reduce(numbers, group=group._reduce_scatter_process_group)
    return numbers.tolist()


def _require(trained: list, agreed: list[bool], fault: str) -> None:
    names = [str(parameter._param_fqn) for parameter, good in zip(trained, agreed) if not good]
    if names:
        raise UserError(f'FSDPStrategy: {len(names)} parameters {fault}: {", ".join(names[:3])}'
                        f'{", ..." if len(names) > 3 else ""}. Set find_unused_parameters=True in the config.')
