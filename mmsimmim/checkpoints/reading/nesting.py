"""What may be in what: the content of a checkpoint is a tree of moderate size, and its keys are names and numbers."""

import argparse
from pickle import UnpicklingError
from typing import Any

import torch

# A path from the root, and all values where each is counted as often as it is held.
DEEPEST, MOST_VALUES = 200, 20_000_000
PLAIN_KEYS = (str, int, float, bool, type(None), bytes, torch.dtype, torch.device, torch.Size)


def require_key(key: Any, depth: int = 3) -> Any:
    """A key of a dictionary: a name, a number, or a short tuple of them; deep ones overflow the stack in ``hash``."""
    if type(key) in PLAIN_KEYS:
        return key
    if type(key) is tuple and depth and len(key) <= 16:
        for part in key:
            require_key(part, depth - 1)
        return key
    raise UnpicklingError(f'a dictionary with a key of the type {type(key).__name__}')


def require_tree(content: Any) -> None:
    """Refuse what overflows the stack, or takes for ever, when it is copied, compared or printed.

    Args:
        content (Any): Of a pickle, where a list may hold itself, or another one many times.

    Raises:
        UnpicklingError: It does, or is nested too deep, or held so often that it is of enormous size.
    """
    _measure(content, {}, 0)


def _measure(one: Any, known: dict[int, tuple[int, int]], above: int) -> tuple[int, int]:
    """Depth below, and number of values; ``known`` has them by ``id``, and zeros for those that one is in."""
    inner = _inner(one)
    if inner is None:
        return 0, 1
    depth, count = known.get(id(one), (0, 0))
    if id(one) in known and not count:
        raise UnpicklingError('a list or dictionary that holds itself')
    if not count:
        known[id(one)] = 0, 0
        if above > DEEPEST:
            raise UnpicklingError(f'lists or dictionaries that are nested more than {DEEPEST} deep')
        sizes = [_measure(value, known, above + 1) for value in inner]
        depth, count = 1 + max((depth for depth, _ in sizes), default=0), 1 + sum(count for _, count in sizes)
        known[id(one)] = depth, count
    if above + depth > DEEPEST:
        raise UnpicklingError(f'lists or dictionaries that are nested more than {DEEPEST} deep')
    if count > MOST_VALUES:
        raise UnpicklingError('lists or dictionaries that hold one another so often that they are enormous')
    return depth, count


def _inner(one: Any) -> Any:
    if isinstance(one, dict):
        return dict.values(one)
    if isinstance(one, argparse.Namespace):
        return vars(one).values()
    return one if isinstance(one, (list, tuple)) and not isinstance(one, torch.Size) else None
