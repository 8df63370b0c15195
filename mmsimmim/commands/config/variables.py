"""Options for variables at the top of a config, such as ``data_root``.

An option that names a variable is set in the file that gives the variable its value, and the config is read anew, as if
that line had been edited: whatever refers to the variable or is computed from it follows. Options for sections
(``model``, ``train_dataloader`` and the others that a run reads) are merged after that and have the last word. A place
with the old value written out once more does not refer to the variable: it is not changed, and the log names it; only
in a config without any references, such as the one that MMEngine writes for a run, it follows.
"""

import os.path as osp
from copy import deepcopy
from functools import partial
from typing import Any

from mmengine.config import Config

from ...errors import UserError
from .literals import change_copies, find_copies, not_changed
from .options import MISSING, SETTINGS, changed, options_of, sections, top, value_at
from .reading import ConfigReading

# Sections that are variables, too, in MMDetection and MMSegmentation: their models refer to them.
ALSO_VARIABLES = frozenset({'data_preprocessor'})


def set_variables(before: Config, reading: ConfigReading, options: dict[str, Any]) -> tuple[Config, list[str]]:
    """Read a config anew with other values of its variables.

    Args:
        before (Config): What ``reading`` has read.
        reading (ConfigReading): The config without options.
        options (dict): Values by full key.

    Returns:
        tuple[Config, list[str]]: The config with the variables set and no other option merged, and messages for the
        log.

    Raises:
        UserError: A list would become something else, or the config cannot be read with the new values.
    """
    variables = {key: value for key, value in options.items() if _names_variable(before, key, value)}
    if not variables:
        return before, []
    _check_lists(before, variables)
    files = {key: _files(before, reading, key, variables) for key in variables}
    after = _read_with(reading.path, variables, files) if any(files.values()) else deepcopy(before)
    messages = [_was_set(after, key, variables[key], files[key]) for key in files if files[key]]
    for name in dict.fromkeys(map(top, variables)):
        copies = find_copies(before, after, name, options)
        if not reading.has_references:
            messages += change_copies(before, after, name, copies)
        messages += not_changed(name, copies)
    if _without(before, variables) == _without(after, variables):
        messages.append(f'--cfg-options {" ".join(variables)}: nothing else changed with it. Does a section that does '
                        'not refer to it need the new value as well?')
    return after, messages


def keep_slashes(cfg: Config, options: dict[str, Any]) -> dict[str, Any]:
    """Options, with a slash behind folders that end with one in the config: mmdet writes ``data_root + 'val.json'``.

    Args:
        cfg (Config): As its files have it.
        options (dict): Values by full key.
    """
    folders = [key for key, value in options.items() if isinstance(value, str) and _names_variable(cfg, key, value)
               and str(value_at(cfg, key)).endswith('/')]
    return options | {key: osp.join(options[key], '') for key in folders}


def _names_variable(cfg: Config, key: str, value: Any) -> bool:
    """Whether an option gives another value to a variable or a part of one."""
    name = top(key)
    return (name in cfg and name not in SETTINGS and name not in sections() - ALSO_VARIABLES
            and value_at(cfg, key) != value)


def _check_lists(cfg: Config, options: dict[str, Any]) -> None:
    for key, value in options.items():
        old = value_at(cfg, key)
        if isinstance(old, (list, tuple)) and not isinstance(value, (list, tuple)):
            raise UserError(f'--cfg-options {key}={value}: the config has a list there, {old!r}. Write '
                            f'{key}=[{value}].')


def _files(cfg: Config, reading: ConfigReading, key: str, options: dict[str, Any]) -> list[str]:
    """The files that give a variable, or the part of it that an option names, its value.

    A new part is set in the last file to assign the variable; so are all parts if the variable is replaced.
    """
    name, value = top(key), value_at(cfg, key)
    files = [file for file, names in reading.assigned.items() if name in names and name in reading.values[file]]
    if value is MISSING or f'{name}._delete_' in options:
        return files[-1:]
    return [file for file in files if value_at(reading.values[file], key) == value] or files[-1:]


def _read_with(path: str, options: dict[str, Any], files: dict[str, list[str]]) -> Config:
    """The config with options for variables set in the files that go with each."""
    by_file: dict[str, dict[str, Any]] = {}
    for key, value in options.items():
        for file in files[key]:
            by_file.setdefault(file, {})[key] = value
    replace = {file: {name: partial(changed, place=name, options=options_of(name, inside)) for name in map(top, inside)}
               for file, inside in by_file.items()}
    try:
        return ConfigReading(path, replace).read()
    except Exception as error:  # A config is a program of the user's: anything can go wrong in it.
        given = ', '.join(f'{key} = {value!r} in {_shown(file)}'
                          for file, inside in by_file.items() for key, value in inside.items())
        raise UserError(f'--cfg-options: the config {path} cannot be read with {given}: {type(error).__name__}: '
                        f'{error}') from error


def _was_set(cfg: Config, key: str, value: Any, files: list[str]) -> str:
    message = f'--cfg-options {key}: set to {value!r} in {" and ".join(map(_shown, files))}.'
    if key.endswith('_delete_') or value_at(cfg, key) == value:
        return message
    return message[:-1] + ', which changes it again later, so that other places may have another value.'


def _without(cfg: Config, options: dict[str, Any]) -> dict[str, Any]:
    """A config without the variables that options name; sections among these always count as used."""
    names = set(map(top, options))
    return {key: value for key, value in cfg.to_dict().items() if key not in names or key in sections()}


def _shown(file: str) -> str:
    """A path as short as it can be."""
    path = osp.relpath(file)
    return file if path.startswith('..') else path
