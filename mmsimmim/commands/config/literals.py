"""Values that a config has written out once more: an option for the variable that holds one does not reach them."""

import os.path as osp
from collections.abc import Iterator
from shlex import quote
from typing import Any

from mmengine.config import Config

from .options import options_of, sections

SHOWN = 12


def not_changed(before: Config, after: Config, name: str, options: dict[str, Any]) -> list[str]:
    """A message on the places of sections that have a variable's old value still, as they do not refer to it.

    Words, lists and dictionaries are told by their values, numbers by name and value; paths below a folder count.

    Args:
        before (Config): As its files have it.
        after (Config): With the variable set.
        name (str): The variable.
        options (dict): Values by full key, those for sections as well.
    """
    old, inside = before.to_dict()[name], options_of(name, options)
    new, was = inside.get(name), dict(_places(before))
    left = []
    for place, value in _places(after):
        if place in options or place.startswith(f'{name}.') or place not in was or was[place] != value:
            continue
        if isinstance(new, str) and _is_below(value, old):
            left.append(quote(f'{place}={osp.join(new, value.removeprefix(osp.join(old, "")))}'))
        elif _is_copy(place, value, name, old, new):
            left.append(quote(f'{place}={new}') if isinstance(new, str) else place)
    if not left:
        return []
    more = f' and {len(left) - SHOWN} more' if len(left) > SHOWN else ''
    return [f'--cfg-options {" ".join(inside)}: these have the old value without referring to {name} and were NOT '
            f'changed. Set them as well if they should follow: {" ".join(left[:SHOWN])}{more}.']


def _is_below(value: Any, folder: Any) -> bool:
    return isinstance(value, str) and isinstance(folder, str) and bool(folder) and (
        value != folder and value.startswith(osp.join(folder, '')))


def _is_copy(place: str, value: Any, name: str, old: Any, new: Any) -> bool:
    """Whether a value is a variable's old one; numbers, which are often equal by chance, only under its name."""
    key = place.rsplit('.', 1)[-1]
    if isinstance(old, (list, tuple)) and key == f'num_{name}':
        return value == len(old) != len(new or old)
    if isinstance(old, (bool, int, float)):
        return key == name and type(value) is type(old) and value == old
    if isinstance(old, dict) and isinstance(value, dict) and 'type' in old:
        return {**value, **old} == value  # a copy may have more: dict(mask, seed=0)
    return bool(old) and type(value) is type(old) and value == old


def _places(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Full keys and values of all parts of the sections."""
    for name, section in cfg.to_dict().items():
        if name in sections():
            yield from _inside(section, name)


def _inside(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, value in items:
        yield f'{key}.{name}', value
        yield from _inside(value, f'{key}.{name}')
