"""Copies of the value of a variable in a config, which an option for the variable does not change.

Words, lists and dictionaries are told by their values, numbers by name and value.
"""

import os.path as osp
from collections.abc import Iterator
from shlex import quote
from typing import Any

from mmengine.config import Config

from .options import changed, options_of, sections, value_at

# The sections in which a path below a folder is a path of the data.
OF_DATA = ('_dataloader', '_evaluator')
SHOWN = 12


def find_copies(before: Config, after: Config, name: str, options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Places of sections that have a variable's old value still, as they do not refer to it.

    Args:
        before (Config): As its files have it.
        after (Config): With the variable set.
        name (str): The variable.
        options (dict): Values by full key, those for sections as well.

    Returns:
        dict[str, dict]: By place, the options that would change it as the variable was changed.
    """
    old, inside, was = before.to_dict()[name], options_of(name, options), dict(_places(before))
    new, copies = inside.get(name), {}
    for place, value in _places(after):
        if place in options or place.startswith(f'{name}.') or place not in was or was[place] != value:
            continue
        if isinstance(new, str) and _is_below(value, old):
            copies[place] = {place: osp.join(new, value.removeprefix(osp.join(old, '')))}
        elif isinstance(new, (list, tuple)) and place.endswith(f'.num_{name}') and value == len(old) != len(new):
            copies[place] = {place: len(new)}
        elif _is_copy(place, value, name, old):
            copies[place] = {place + key.removeprefix(name): option for key, option in inside.items()}
    return copies


def change_copies(before: Config, cfg: Config, name: str, copies: dict[str, dict[str, Any]]) -> list[str]:
    """Change copies of a variable in a config that has no references; paths outside data loaders and evaluators stay.

    Args:
        before (Config): As its files have it.
        cfg (Config): Changed in place.
        name (str): The variable.
        copies (dict[str, dict]): From :func:`find_copies`. What is changed is taken out.

    Returns:
        list[str]: Messages for the log.
    """
    places = [place for place in copies if place.split('.')[0].endswith(OF_DATA)
              or not _is_below(value_at(cfg, place), before[name])]
    for place in places:
        _set(cfg, place.split('.'), changed(value_at(cfg, place), place, copies.pop(place)))
    return [f'--cfg-options {name}: as the config has no references to variables, these places with the old value were '
            f'changed as well: {", ".join(places)}.'] if places else []


def _set(node: Any, keys: list[str], value: Any) -> Any:
    """Change a part of a dictionary, list or tuple; the whole, as tuples have to be made anew."""
    if isinstance(node, tuple):
        return type(node)(_set(list(node), keys, value))
    key = int(keys[0]) if isinstance(node, list) else keys[0]
    node[key] = _set(node[key], keys[1:], value) if len(keys) > 1 else value
    return node


def not_changed(name: str, copies: dict[str, dict[str, Any]]) -> list[str]:
    """A message for the log on copies of a variable that were not changed, and how to change them.

    Args:
        name (str): The variable.
        copies (dict[str, dict]): From :func:`find_copies`.
    """
    if not copies:
        return []
    options = [quote(f'{key}={value}') for options in copies.values() for key, value in options.items()]
    more = f' and {len(options) - SHOWN} more' if len(options) > SHOWN else ''
    return [f'--cfg-options {name}: these have the old value without referring to {name} and were NOT changed. Set '
            f'them as well if they should follow: {" ".join(options[:SHOWN])}{more}.']


def _is_below(value: Any, folder: Any) -> bool:
    return isinstance(value, str) and isinstance(folder, str) and bool(folder) and (
        value != folder and value.startswith(osp.join(folder, '')))


def _is_copy(place: str, value: Any, name: str, old: Any) -> bool:
    """Whether a value is a variable's old one; numbers, which are often equal by chance, only under its name."""
    if isinstance(old, (bool, int, float)):
        return place.endswith(f'.{name}') and type(value) is type(old) and value == old
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
