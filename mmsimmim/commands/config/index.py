"""The encoders of the shipped configs in one file, so that none of the configs need be read to learn about them.

    python -m mmsimmim.commands.config.index    # after a change of configs: regenerate configs/encoders.json

An entry is used as long as the model settings of the config, and of all that it inherits from, are unchanged; otherwise
the config is read.
"""

import ast
import hashlib
import importlib.util
import json
import os
import re
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...json_text import parse_json
from ...shipped import configs_folder

NAME = 'encoders.json'
# What MMEngine puts in the place of {{$NAME:default}}, and of {{ fileDirname }} and the like.
ENVIRONMENT = re.compile(r'\{\{\s*\$\s*(\w+)')
PLACE = re.compile(r'\{\{\s*file')
# A variable of a base, as {{_base_.NAME}} and as Python has it.
FROM_BASE = re.compile(r'_base_\.(\w+)')


class Index:
    """Settings of the encoders below a folder of configs, as an index file in it has them.

    Args:
        folder (Path): The folder. Defaults to None: the shipped configs.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or configs_folder()).resolve()
        try:
            content = parse_json((self.folder / NAME).read_text(encoding='utf-8'))
            self._encoders = [ast.literal_eval(text) for text in content['encoders']]
            self._configs = content['configs']
        except (OSError, ValueError, KeyError, TypeError, SyntaxError):  # none, or a damaged one: all configs are read
            self._encoders, self._configs = [], {}

    def encoder_of(self, path: Path) -> dict | None:
        """Settings of a config's backbone as :func:`encoder_settings` gives them, read only if the index is of no use.

        Raises:
            Exception: Whatever MMEngine raises for a config that it cannot read.
        """
        try:
            entry = self._configs[_name(path, self.folder)]
            known, number = entry['fingerprint'], entry['encoder']
            encoder = None if number is None else self._encoders[number]
        except (LookupError, TypeError):  # not in the index, or that is damaged
            return encoder_settings(path)
        return encoder if known == fingerprint(path) else encoder_settings(path)


def encoder_settings(path: Path) -> dict | None:
    """Arguments of a config's backbone without ``init_cfg``, or None if it is none of this project."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # MMEngine's use of pkg_resources
        cfg = Config.fromfile(path)
    backbone = (cfg.get('model') or {}).get('backbone') or {}
    if not str(backbone.get('type')).startswith('mmsimmim.'):
        return None
    return {key: value for key, value in backbone.to_dict().items() if key != 'init_cfg'}


def find_configs(folder: Path) -> list[Path]:
    """Configs in a folder and below it, those in folders named _base_ left out."""
    return sorted(path for path in folder.rglob('*.py') if '_base_' not in path.parts)


def make_index(folder: Path) -> dict[str, Any]:
    """Read all configs of a folder.

    Returns:
        dict[str, Any]: ``encoders``, the different settings as Python writes them, and ``configs``: for each path below
        the folder the number of its encoder, or None, and its fingerprint. Configs without a fingerprint are left out.
    """
    encoders, configs = [], {}
    for path in find_configs(folder):
        known = fingerprint(path)
        if known is not None:
            settings = encoder_settings(path)
            text = None if settings is None else repr(settings)
            if text is not None and text not in encoders:
                encoders.append(text)
            configs[_name(path, folder)] = dict(encoder=None if text is None else encoders.index(text),
                                                fingerprint=known)
    return dict(encoders=encoders, configs=configs)


def fingerprint(path: Path) -> str | None:
    """A hash of the model settings of a config and its bases, independent of comments and whitespace.

    Returns:
        str, optional: None if that cannot be told from the text alone, or a base is not there.
    """
    parts = _parts(Path(os.path.abspath(path)), frozenset({'model'}))
    return None if parts is None else hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:16]


@cache
def _parts(path: Path, names: frozenset[str]) -> tuple[str, ...] | None:
    """What is behind variables of a config: statements, values from the environment, and the same of its bases."""
    try:
        tree = ast.parse(path.read_text(encoding='utf-8'))
        bases = _bases(tree)
    except (OSError, ValueError, SyntaxError):
        return None
    statements = _behind(tree, names)
    text = '\n'.join(map(ast.unparse, statements))
    if PLACE.search(text) or any(map(_imports, statements)):
        return None
    parts = [_canonical(statements), *(os.environ.get(name, '') for name in ENVIRONMENT.findall(text))]
    for base in bases:
        of_base = _parts(_path_of(base, path), frozenset({'model', *FROM_BASE.findall(text)}))
        if of_base is None:
            return None
        parts += of_base
    return tuple(parts)


def _behind(tree: ast.Module, names: Iterable[str]) -> list[ast.stmt]:
    """The statements that have a say in variables, directly or through other variables."""
    names, kept = set(names), []
    while True:
        found = [statement for statement in tree.body if _touched(statement) & {'*', *names}]
        if len(found) == len(kept):
            return found
        kept = found
        names.update(node.id for statement in kept for node in ast.walk(statement) if isinstance(node, ast.Name))


def _touched(statement: ast.stmt) -> set[str]:
    """The variables that a statement may change; '*' for any."""
    imported = {(alias.asname or alias.name).split('.')[0] for node in _imports(statement) for alias in node.names}
    plain = isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets)
    nodes = statement.targets if plain else ast.walk(statement)
    return imported | {node.id for node in nodes if isinstance(node, ast.Name)}


def _imports(statement: ast.stmt) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(statement) if isinstance(node, (ast.Import, ast.ImportFrom))]


def _canonical(node: Any) -> str:
    """A statement in a form that no version of Python writes in another way, as :func:`ast.unparse` does."""
    if isinstance(node, list):
        return f'[{",".join(map(_canonical, node))}]'
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = (f'{name}={_canonical(value)}' for name, value in ast.iter_fields(node)
              if value not in (None, []) and name != 'kind')
    return f'{type(node).__name__}({",".join(fields)})'


def _bases(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', None) == '_base_':
            bases = ast.literal_eval(node.value)
            return [bases] if isinstance(bases, str) else list(bases)
    return []


def _path_of(base: str, path: Path) -> Path:
    package, separator, name = base.rpartition('::')
    if not separator:
        return Path(os.path.normpath(path.parent / base))
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent / '.mim' / 'configs' / name if spec and spec.origin else Path(base)


def _name(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve()).replace(os.sep, '/')


if __name__ == '__main__':
    target = configs_folder() / NAME
    target.write_text(json.dumps(make_index(configs_folder()), indent=0) + '\n', encoding='utf-8')
    print(target)
