"""Fault: MMEngine's log has no summary of an optimizer's parameter groups.

``DefaultOptimWrapperConstructor`` prints each setting of each parameter (see :mod:`.developer_notices`), and nothing
where all parameters are alike.

Repair: it logs one summary, a line for each learning rate: how many parameters with which weight decay.
"""

from collections.abc import Iterator
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING

from mmsimmim.compat.import_hook import after_import

if TYPE_CHECKING:  # this file alone brings no torch
    from torch import nn
    from torch.optim import Optimizer

CONSTRUCTOR = 'mmengine.optim.optimizer.default_constructor'


def apply() -> None:
    """Let MMEngine's constructor, and those that extend it, log a summary of the parameter groups."""
    after_import(CONSTRUCTOR, _add_summary)


def _add_summary(module: ModuleType) -> None:
    constructor = module.DefaultOptimWrapperConstructor
    build = constructor.__call__
    if hasattr(build, '__wrapped__'):
        return

    @wraps(build)
    def wrapped(self, model):
        optim_wrapper = build(self, model)
        module.print_log('\n'.join(_summary(getattr(model, 'module', model), optim_wrapper.optimizer)),
                         logger='current')
        return optim_wrapper

    constructor.__call__ = wrapped


def _summary(model: 'nn.Module', optimizer: 'Optimizer') -> Iterator[str]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {}
    for group in optimizer.param_groups:
        members = [names.pop(id(parameter), '?') for parameter in group['params']]
        decays = rates.setdefault(float(group.get('lr') or 0), {})
        decays.setdefault(float(group.get('weight_decay') or 0), []).extend(members)
    yield f'Parameters of {type(optimizer).__name__}, by learning rate and weight decay:'
    full = float(optimizer.defaults.get('lr') or 0)
    for rate in sorted(rates):
        share = f' ({rate / full:.4g} of the full rate)' if full and rate != full else ''
        yield f'  lr {rate:.4g}{share}: ' + ', '.join(
            f'{len(members)} with weight decay {decay:.4g} ({_shorten(members)})'
            for decay, members in sorted(rates[rate].items(), reverse=True))
    if names:
        yield f'  frozen, not trained: {len(names)} ({_shorten(list(names.values()))})'


def _shorten(names: list[str]) -> str:
    return names[0] + (', ...' if len(names) > 1 else '')
