"""What a training needs of a checkpoint to go on, beside the weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from .state_forms import find_bad_values, find_group_misfits, is_counter

# States of PyTorch's optimizers that have a value for each value of a parameter.
MOMENTS = frozenset((
    'exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'exp_inf', 'momentum_buffer', 'square_avg', 'grad_avg', 'acc_delta',
    'sum', 'prev', 'step_size', 'ax', 'variance'))
# One number for a parameter.
COUNTERS = frozenset(('step', 'eta', 'mu', 'mu_product', 'RMS'))
# Means over a dimension, which is then 1 (PyTorch's Adafactor) or gone (mmpretrain's).
KEPT_MEANS, GONE_MEANS = dict(row_var=-1, col_var=-2), dict(exp_avg_sq_row=-1, exp_avg_sq_col=-2)


def start_anew(path: str) -> str:
    """What to do with a checkpoint that cannot be resumed from.

    Args:
        path (str): The file.
    """
    return f'To start a new training from its weights, leave out --resume and give --cfg-options load_from={path}'


def missing_parts(checkpoint: Mapping[str, Any], schedules: bool) -> list[str]:
    """Name what a checkpoint lacks of the state of a training.

    Args:
        checkpoint (Mapping[str, Any]): What a file holds.
        schedules (bool): Whether the training has schedules of the learning rate.

    Returns:
        list[str]: In words; empty for a whole one.
    """
    meta = checkpoint.get('meta')
    parts = {"the optimizer's state": checkpoint.get('optimizer'),
             'the state of the schedules': checkpoint.get('param_schedulers') or not schedules,
             'the log (message_hub)': checkpoint.get('message_hub'),
             'epoch and iteration': isinstance(meta, Mapping) and {'epoch', 'iter'} <= set(meta)}
    return [name for name, value in parts.items() if isinstance(value, Tensor) or not value]


def find_state_misfits(state: Any, param_groups: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> list[str]:
    """Compare the state of an optimizer with the parameters that it is for.

    PyTorch compares the number of parameters only; moments of another shape then end in an error of a step, in a crash
    of a fused implementation, or are broadcast.

    Args:
        state (Any): Of a file, as of :meth:`torch.optim.Optimizer.state_dict`.
        param_groups (Sequence[Mapping[str, Any]]): The optimizer's. Parameters that are sharded have the shape of the
            whole.
        names (Mapping[int, str]): The name of a parameter by its ``id``.

    Returns:
        list[str]: The first misfits in words; empty if there are none.
    """
    groups = [group['params'] for group in param_groups]
    try:
        numbers, values = [list(group['params']) for group in state['param_groups']], state['state']
        if not isinstance(values, Mapping):
            return ['it is none of an optimizer']
        known = {number for group in numbers for number in group}
    except (KeyError, TypeError, ValueError):
        return ['it is none of an optimizer']
    if [len(group) for group in numbers] != [len(group) for group in groups]:
        return [f'it is of {sum(map(len, numbers))} parameters in {len(numbers)} groups, and the optimizer of the '
                f'config has {sum(map(len, groups))} in {len(groups)}']
    if not known.issuperset(values):
        return ['it has values of parameters that are in none of its groups']
    pairs = [pair for group in zip(numbers, groups) for pair in zip(*group)]
    return [*find_group_misfits(state['param_groups'], param_groups)] or [*_gaps(values, pairs, names)] or [
        text for number, parameter in pairs
        for text in _misfits(values.get(number, {}), parameter, names.get(id(parameter), f'number {number}'))]


def _gaps(values: Mapping[Any, Any], pairs: Sequence[tuple[Any, Tensor]], names: Mapping[int, str]) -> Iterator[str]:
    """Moments that a parameter lacks, and others with as many dimensions have."""
    kinds = {}
    for number, parameter in pairs:
        if isinstance(values.get(number), Mapping):
            kinds.setdefault(parameter.ndim, set()).update(_known(values[number]))
    for number, parameter in pairs:
        if isinstance(values.get(number), Mapping) and values[number]:
            for key in kinds[parameter.ndim] - _known(values[number]):
                yield f'that of {names.get(id(parameter), f"number {number}")} lacks {key}'


def _known(values: Mapping[str, Any]) -> set[str]:
    """States that there are; SGD without momentum wrote None for it."""
    return {key for key, value in values.items() if value is not None}


def _misfits(values: Any, parameter: Tensor, name: str) -> Iterator[str]:
    if not isinstance(values, Mapping):
        yield f'that of {name} is a {type(values).__name__}'
        return
    for key, value in values.items():
        expected = _expected_shapes(key, tuple(parameter.shape))
        if isinstance(value, Tensor) and expected and tuple(value.shape) not in expected:
            yield f'{key} of {name} has the shape {tuple(value.shape)} instead of {expected[0]}'
        elif key in MOMENTS and isinstance(value, Tensor):
            yield from find_bad_values(key, value, name)
        elif (key in MOMENTS and not (value is None and key == 'momentum_buffer')
              or key in COUNTERS and not is_counter(value)):
            yield f'{key} of {name} is a {type(value).__name__}'


def _expected_shapes(key: str, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Possible shapes of one state of a parameter; none for a state of an optimizer that is not known here."""
    if key in MOMENTS:
        return [shape]
    if key in COUNTERS:
        return [(), (1, )]
    sizes = list(shape)
    if key in KEPT_MEANS and len(shape) > 1:
        sizes[KEPT_MEANS[key]] = 1
    elif key in GONE_MEANS and len(shape) > 1:
        del sizes[GONE_MEANS[key]]
    else:
        return []
    return [tuple(sizes)]
