"""Variables of a config such as ``data_root``: by the time options are merged, the sections hold copies of them."""

import copy
import inspect
import os.path as osp
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ...errors import UserError

# Words and numbers at the top of a config that MMEngine's Runner reads itself: they stand for nothing else.
SETTINGS = frozenset({'work_dir', 'load_from', 'resume', 'launcher', 'log_level', 'default_scope', 'experiment_name',
                      'runner_type', 'compile'})
# What MMEngine's Runners read at the top of a config.
SECTIONS = frozenset({*inspect.signature(Runner.__init__).parameters, 'strategy'})
# Which of these is a variable in MMDetection and MMSegmentation, whose models hold copies of it.
ALSO_VARIABLES = frozenset({'data_preprocessor'})
# The sections in which a path below `data_root` is a path of the data.
OF_DATA = ('_dataloader', '_evaluator')
SHOWN = 8


def used_variables(cfg: Config, options: dict) -> dict[str, Any]:
    """The words, numbers and lists of them at the top of a config that options are about to change.

    Args:
        cfg (Config): Before the options are merged.
        options (dict): Values by full key.

    Returns:
        dict[str, Any]: Their present values.

    Raises:
        UserError: Two of them have the same value now, and different ones in the options; or a list would become
            something else.
    """
    old = {key: cfg[key] for key in options if key in cfg and key not in SETTINGS and _is_variable(cfg[key])}
    old = {key: value for key, value in old.items() if value != options[key]}
    for key, value in old.items():
        if isinstance(value, (list, tuple)) and not isinstance(options[key], (list, tuple)):
            raise UserError(f'--cfg-options {key}={options[key]}: the config has a list there, {value!r}. Write '
                            f'{key}=[{options[key]}].')
        for other in old:
            if not _is_number(value) and value == old[other] and options[key] != options[other]:
                raise UserError(f'--cfg-options {key} {other}: both are {value!r} in the config, so that it cannot be '
                                'told where each of them is used. Set these keys instead: '
                                f'{_list(_equal(cfg, value))}.')
    return old


def carry_over(cfg: Config, options: dict, old: dict[str, Any]) -> list[str]:
    """Put new values wherever the old ones stand, and say where that cannot be done.

    Words and lists are told by their value, numbers by value and name: ``num_classes`` reaches
    ``model.head.num_classes``. With the length of ``classes`` goes whatever is called ``num_classes`` and had it. Paths
    below a folder follow it in data loaders and evaluators.

    Args:
        cfg (Config): With the options merged. Changed in place.
        options (dict): Values by full key; these keys stay as they are.
        old (dict[str, Any]): What :func:`used_variables` found.

    Returns:
        list[str]: Messages for the log.
    """
    messages, carried = [], set(options)
    # all before any is replaced: the new value of one may be the old value of another
    equal_to = {key: [place for place in _equal(cfg, before) if place not in options] for key, before in old.items()}
    for key, before in old.items():
        equal = equal_to[key]
        places = [place for place in equal if not _is_number(before) or place.rsplit('.', 1)[-1] == key]
        unclear = [place for place in equal if place not in places]
        _replace(cfg, options[key], places)
        carried.update(places)
        for place in places:
            messages.append(f'--cfg-options {key}: {place} was {before!r}, too, and is now {options[key]!r}.')
        if isinstance(before, (list, tuple)):
            messages += _carry_length(cfg, options, key, len(before))
        elif unclear and not isinstance(before, bool):
            messages.append(f'--cfg-options {key}: these hold the same number under other names and were NOT changed. '
                            f'If one of them was computed from it, set it as well: {_list(unclear)}.')
    for key, before in old.items():
        if isinstance(before, str):
            messages += _carry_folder(cfg, key, before, options[key], carried)
    return messages


def carry_into_copies(cfg: Config, options: dict) -> list[str]:
    """Change the copies of variables that are dictionaries or lists, of which options change a part.

    ``mask.mask_ratio`` reaches each pipeline with a copy of the dictionary ``mask``. A copy is a list with the same
    content, or a dictionary with the same content and, if that names a type, perhaps more: ``dict(mask, seed=0)``.

    Args:
        cfg (Config): Before the options are merged, so that what they say about a copy itself comes first. Changed in
            place.
        options (dict): Values by full key.

    Returns:
        list[str]: Messages for the log.
    """
    messages = []
    for name in dict.fromkeys(key.split('.')[0] for key in options if '.' in key):
        before = cfg.get(name)
        if name in SECTIONS - ALSO_VARIABLES or not isinstance(before, (dict, list, tuple)) or not before:
            continue
        inside = {key: value for key, value in options.items() if key.startswith(f'{name}.')}
        after = _merged(name, before, inside)
        copies = [(place, found) for place, found in _collections(cfg) if _is_copy(found, before)]
        for place, found in copies:
            _replace(cfg, _changed(found, before, after), [place])
        messages += [f'--cfg-options {key}: {place} was a copy of {name} and was changed in the same way.'
                     for key in inside for place, _ in copies]
        if not copies and name not in SECTIONS:
            messages.append(f'--cfg-options {" ".join(inside)}: no section holds a copy of {name}, so that nothing but '
                            'this variable was changed. If a section was computed from it, set its keys as well.')
    return messages


def _merged(name: str, before: Any, options: dict) -> Any:
    """The value of a variable as it will be."""
    cfg = Config({name: copy.deepcopy(before)})
    cfg.merge_from_dict(options)
    return cfg[name]


def _is_copy(found: Any, variable: Any) -> bool:
    if isinstance(variable, dict):
        return isinstance(found, dict) and (found == variable or 'type' in variable and all(
            key in found and found[key] == value for key, value in variable.items()))
    return type(found) is type(variable) and found == variable


def _changed(found: Any, before: Any, after: Any) -> Any:
    """A copy of ``before``, and of what else it has, as a copy of ``after``."""
    after = copy.deepcopy(after)
    if not isinstance(before, dict):
        return after
    return type(found)({**{key: value for key, value in found.items() if key not in before}, **after})


def _carry_folder(cfg: Config, key: str, before: str, new: str, carried: set[str]) -> list[str]:
    below = {place: value for place, value in _leaves(cfg) if _is_below(value, before) and place not in carried}
    moved = [place for place in below if place.split('.')[0].endswith(OF_DATA)]
    messages = []
    for place in moved:
        path = osp.join(new, below[place].removeprefix(osp.join(before, '')))
        _replace(cfg, path, [place])
        messages.append(f'--cfg-options {key}: {place} was {below[place]!r}, below it, and is now {path!r}.')
    rest = [place for place in below if place not in moved]
    if rest:
        messages.append(f'--cfg-options {key}: the old value is part of these, which were NOT changed; set them, too, '
                        f'if they should follow: {_list(rest)}.')
    return messages


def _carry_length(cfg: Config, options: dict, key: str, before: int) -> list[str]:
    if not isinstance(options[key], (list, tuple)) or len(options[key]) == before:
        return []
    places = [place for place in _equal(cfg, before)
              if place.rsplit('.', 1)[-1] == f'num_{key}' and place not in options]
    _replace(cfg, len(options[key]), places)
    return [f'--cfg-options {key}: {place} was {before}, their number, and is now {len(options[key])}.'
            for place in places]


def _is_variable(value: Any) -> bool:
    return bool(value) and all(map(_is_plain, value)) if isinstance(value, (list, tuple)) else _is_plain(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and value != ''


def _is_number(value: Any) -> bool:
    """Also True and False, which are told by their names as well."""
    return isinstance(value, (int, float))


def _is_below(value: Any, folder: str) -> bool:
    """Whether a value is a path that was put together from a folder."""
    return isinstance(value, str) and value != folder and value.startswith(osp.join(folder, ''))


def _equal(cfg: Config, value: Any) -> list[str]:
    return [key for key, found in _leaves(cfg)
            if type(found) is type(value) and found == value and key not in SETTINGS]


def _leaves(node: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """Full keys and values of lists and of what is in no further section; of sections only, not of other variables."""
    items = node.items() if isinstance(node, (dict, Config)) else enumerate(node)
    for name, value in items:
        place = f'{key}.{name}' if key else str(name)
        if key and not isinstance(value, dict):
            yield place, value
        if isinstance(value, (dict, list, tuple)):
            yield from _leaves(value, place)


def _collections(node: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """Full keys and values of dictionaries and lists, but not of those at the top."""
    items = node.items() if isinstance(node, (dict, Config)) else enumerate(node)
    for name, value in items:
        if isinstance(value, (dict, list, tuple)):
            place = f'{key}.{name}' if key else str(name)
            if key:
                yield place, value
            yield from _collections(value, place)


def _replace(node: Any, new: Any, places: list[str], key: str = '') -> Any:
    """Change what stands in some places; the changed part, as tuples have to be made anew."""
    if isinstance(node, tuple):
        return type(node)(_replace(list(node), new, places, key))
    for name in list(node) if isinstance(node, (dict, Config)) else range(len(node)):
        place = f'{key}.{name}' if key else str(name)
        if place in places:
            node[name] = new
        elif isinstance(node[name], (dict, list, tuple)):
            node[name] = _replace(node[name], new, places, place)
    return node


def _list(keys: list[str]) -> str:
    return ', '.join(keys[:SHOWN]) + (f' and {len(keys) - SHOWN} more' if len(keys) > SHOWN else '')
