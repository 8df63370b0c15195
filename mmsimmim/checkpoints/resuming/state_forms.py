"""Whether the states in a checkpoint have the form that MMEngine and PyTorch take for granted.

Both load what stands there, and fail later, in a step or in the log, or compute with it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

# Whether there is one more moment for each parameter.
DECISIVE = ('amsgrad', )


def find_malformed(checkpoint: Mapping[str, Any]) -> list[str]:
    """Name what in a whole checkpoint is not what it has to be, whatever the training.

    Args:
        checkpoint (Mapping[str, Any]): With all of its parts (:func:`~.training_state.missing_parts`).

    Returns:
        list[str]: In words; empty for a good one.
    """
    meta, hub = checkpoint['meta'], checkpoint['message_hub']
    faults = [f'meta.{key} is {_told(meta[key])} and no number' for key in ('epoch', 'iter')
              if type(meta[key]) is not int or not 0 <= meta[key] < 1 << 48]
    seed = meta.get('seed')
    if seed is not None and (type(seed) is not int or not 0 <= seed < 1 << 32):
        faults.append(f'meta.seed is {_told(seed)} and no seed')
    parts = ('log_scalars', 'runtime_info', 'resumed_keys')
    faults += [f'message_hub has no dictionary {part}' for part in parts
               if not isinstance(hub, Mapping) or not isinstance(hub.get(part), Mapping)]
    if not faults:
        faults += [f'message_hub.{part} has the key {_told(key)}' for part in parts for key in hub[part]
                   if not isinstance(key, str)]
        faults += [f'message_hub.resumed_keys.{key} is {_told(value)}' for key, value in hub['resumed_keys'].items()
                   if not isinstance(value, bool)]
    return faults


def find_schedule_misfits(saved: Any, schedules: Sequence[Any]) -> Iterator[str]:
    """Compare the states of the schedules of an optimizer with its schedules.

    Args:
        saved (Any): Of the file.
        schedules (Sequence[Any]): With ``state_dict``.
    """
    if not isinstance(saved, list) or not all(isinstance(one, dict) for one in saved):
        yield 'the states of the schedules are no list of dictionaries'
        return
    for number, (schedule, state) in enumerate(zip(schedules, saved)):
        own = schedule.state_dict()
        for key, value in state.items():
            if not isinstance(key, str) or key in own and not _alike(own[key], value):
                yield f'{key} of schedule {number} is {_told(value)}'


def find_group_misfits(saved: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Compare the settings of the groups of parameters with an optimizer's.

    Args:
        saved (Sequence[Mapping[str, Any]]): ``param_groups`` of the file.
        groups (Sequence[Mapping[str, Any]]): The optimizer's.
    """
    for number, (own, state) in enumerate(zip(groups, saved)):
        for key, value in own.items():
            if key == 'params' or key.startswith('initial_') and key not in state:
                continue
            if key not in state:
                yield f'{key} of group {number} is missing'
            elif not _alike(value, state[key]):
                yield f'{key} of group {number} is {_told(state[key])}'
            elif key in DECISIVE and bool(state[key]) != bool(value):
                yield f'{key} is {state[key]} in the checkpoint and {value} in the config'


def find_bad_values(key: str, value: Tensor, name: str) -> Iterator[str]:
    """What no optimizer has written into a moment: no numbers, values that share memory, NaN.

    Args:
        key (str): Such as ``'exp_avg'``.
        value (Tensor): The moment.
        name (str): Of its parameter.
    """
    if not value.is_floating_point():
        yield f'{key} of {name} is of the type {value.dtype}'
    elif any(step == 0 and side > 1 for step, side in zip(value.stride(), value.shape)):
        yield f'{key} of {name} has one value in several places'
    elif not value.is_meta and not value.isfinite().all():
        yield f'{key} of {name} has values that are not finite'
    elif key.endswith('_sq') and not value.is_meta and (value < 0).any():
        yield f'{key} of {name} has negative squares'


def is_counter(value: Any) -> bool:
    """Whether a state that is one number is one."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_complex() and (value.is_meta or bool(value.isfinite().all()))
    return type(value) in (int, float) and math.isfinite(value)


def _alike(own: Any, saved: Any) -> bool:
    """Whether a setting is of the kind of another one."""
    if own is None:  # such as foreach=None
        return saved is None or type(saved) in (bool, int, float, str)
    if saved is None:
        return isinstance(own, (bool, str))
    if isinstance(own, bool) or isinstance(own, str):
        return type(saved) is type(own)
    if isinstance(own, (int, float, Tensor)):
        return is_counter(saved)
    if isinstance(own, tuple):
        return isinstance(saved, (list, tuple)) and len(saved) == len(own) and all(map(_alike, own, saved))
    if isinstance(own, list):
        return isinstance(saved, (list, tuple)) and all(_alike(own[0], one) for one in saved if own)
    return not isinstance(own, dict) or isinstance(saved, dict)


def _told(value: Any) -> str:
    """A number or a word; of anything else its type."""
    return repr(value) if type(value) in (int, float, bool) or value is None else f'a {type(value).__name__}'
