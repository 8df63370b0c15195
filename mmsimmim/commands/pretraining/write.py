"""The config of a run, written where its results go."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...checkpoints.storage import writing
from ...errors import UserError
from ...shipped import configs_folder
from ..config.loading import find_config, read_config, read_with_options
from ..config.options import SETTINGS

NAME = 'pretrain_config.py'
# Where MMEngine puts the folder of the config: the results may be moved.
WORK_DIR = '{{ fileDirname }}/train'


def write_config(base: str, options: dict[str, Any], out: Path, comments: list[str],
                 hooks: Sequence[dict[str, Any]] = ()) -> Path:
    """Write a config as one file that ``tools/train.py`` runs as it is.

    Args:
        base (str): A shipped config, as ``FOLDER/NAME.py``, or a path.
        options (dict[str, Any]): As given to ``--cfg-options``.
        out (Path): The folder.
        comments (list[str]): What to say at its top.
        hooks (Sequence[dict[str, Any]]): To add to its ``custom_hooks``. Defaults to none.

    Returns:
        Path: The file, ``pretrain_config.py`` in the folder. Its run writes into ``train`` beside it.

    Raises:
        UserError: An option does not fit into the config, or the file cannot be written.
    """
    path = find_base(base)
    _require_variables(path, options)
    cfg, _ = read_with_options(path, dict(options))
    # MMEngine puts the folder's name between the quotes as it is.
    cfg.work_dir = WORK_DIR if str(out) == repr(str(out))[1:-1] and "'" not in str(out) else str(out / 'train')
    if hooks:
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), *hooks]
    path = out / NAME
    header = '\n'.join(f'# {line}' for line in comments)
    temporary = f'{path}.tmp'
    with writing(str(path), temporary):
        out.mkdir(parents=True, exist_ok=True)
        Path(temporary).write_text(f'{header}\n\n{cfg.pretty_text.strip()}\n', encoding='utf-8')
        os.replace(temporary, path)
    return path


def find_base(base: str) -> str:
    """Path of a config: a shipped one, as ``FOLDER/NAME.py`` or ``mmsimmim::FOLDER/NAME.py``, or one of a person's."""
    return str(configs_folder() / base) if _is_shipped(base) else find_config(base)


def _is_shipped(base: str) -> bool:
    return not os.path.isabs(base) and (configs_folder() / base).is_file() and not os.path.isfile(base)


def _require_variables(path: str, options: dict[str, Any]) -> None:
    """Refuse a config to which what is chosen would mean nothing."""
    there = read_config(path)
    lacking = [name for name in options if '.' not in name and name not in there and name not in SETTINGS]
    if lacking:
        raise UserError(f'{path} has no variable {", ".join(lacking)}, by which the choices of mmsimmim pretrain reach '
                        'it. Inherit from a config in configs/pretrain/sized, or train yours by mmsimmim train.')


def read_notes(config: Path) -> list[str]:
    """What :func:`write_config` was given to say at the top of a config."""
    notes = []
    for line in config.read_text(encoding='utf-8').splitlines():
        if not line.startswith('# '):
            break
        notes.append(line[2:])
    return notes


def as_command_line(base: str, options: dict[str, Any]) -> str:
    """The command that trains the same without this file."""
    name = f'mmsimmim::{base}' if _is_shipped(base) else base if '::' in base else shlex.quote(os.path.abspath(base))
    return f'mmsimmim train {name} --cfg-options ' + ' '.join(
        f'{key}={_text(value)}' for key, value in options.items())


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        brackets = '[]' if isinstance(value, list) else '()'
        return f'"{brackets[0]}{",".join(map(str, value))}{brackets[1]}"'
    return shlex.quote(value) if isinstance(value, str) and set(value) - _PLAIN else str(value)


_PLAIN = set('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-:')
