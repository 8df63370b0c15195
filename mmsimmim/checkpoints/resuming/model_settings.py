"""Settings of a model that its weights do not show, from the config in a checkpoint, which is not run."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from ...registry import MODELS

# Of backbones: a network with others has the same parameters (Swin V2), or parameters that would be resized.
SETTINGS = ('img_size', 'window_size', 'pretrained_window_sizes')


def changed_settings(config: Any, model: Any) -> list[str]:
    """Compare windows and image sizes of the config in a checkpoint with those of a model.

    Args:
        config (Any): The text of the config, as MMEngine writes it into ``meta['cfg']``.
        model (Any): Config of the model.

    Returns:
        list[str]: Key, value in the checkpoint and value in the model, of each that differs. Empty, too, if the text is
        none or cannot be read.
    """
    was, now = dict(_settings(read_section(config, 'model'), 'model')), dict(_settings(model, 'model'))
    return [f'{key}={was[key]} in the checkpoint, {now[key]} in the config'
            for key in was if key in now and _plain(was[key]) != _plain(now[key])]


def read_section(config: Any, name: str) -> Any:
    """The value of a variable such as ``model`` in the text of a config without references; None if there is none."""
    try:
        statements = ast.parse(config).body if isinstance(config, str) else []
        return next((_value(one.value) for one in statements if isinstance(one, ast.Assign)
                     and [getattr(target, 'id', None) for target in one.targets] == [name]), None)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _value(node: ast.AST) -> Any:
    """A literal, also one with ``dict(...)``; None for anything else."""
    if isinstance(node, ast.Call) and getattr(node.func, 'id', None) == 'dict' and not node.args:
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords if keyword.arg}
    if isinstance(node, ast.Dict):
        return {key.value: _value(value) for key, value in zip(node.keys, node.values) if isinstance(key, ast.Constant)}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(element) for element in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(node.operand)
        return -number if isinstance(number, (int, float)) else None
    return node.value if isinstance(node, ast.Constant) else None


def _settings(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Full keys and values at any depth; where a class of this package has a default, that too."""
    if isinstance(node, dict):
        defaults = _defaults(node.get('type'))
        for name in SETTINGS:
            if name in node or name in defaults:
                yield f'{key}.{name}', node.get(name, defaults.get(name))
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, child in items:
        yield from _settings(child, f'{key}.{name}')


def _defaults(kind: Any) -> dict[str, Any]:
    found = MODELS.get(kind) if isinstance(kind, str) and kind.startswith('mmsimmim.') else None
    parameters = inspect.signature(found).parameters if found else {}
    return {name: parameters[name].default for name in SETTINGS
            if name in parameters and parameters[name].default is not inspect.Parameter.empty}


def _plain(value: Any) -> Any:
    """The same for a number and a list of equal ones."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return values[0] if values and all(one == values[0] for one in values) else values
