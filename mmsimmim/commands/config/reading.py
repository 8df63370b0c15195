"""Reading a config with MMEngine while variables at the top of its files are given other values.

MMEngine executes each file of a config, those named by ``_base_`` first. Behind a statement that assigns a variable, or
changes it in place, one more is put that replaces its value; what comes after it sees the new one.
"""

import ast
import builtins
from collections.abc import Callable, Collection
from typing import Any

import mmengine.config.config as mmengine_config
from mmengine.config import Config

# MMEngine leaves out names that begin with two underscores: no config keeps this one.
REPLACE = '__replace__'


class ConfigReading:
    """One reading of a config.

    Args:
        path (str): The config.
        replace (dict[str, dict[str, Callable]]): By file and variable, a function from the value that the file gives
            it to the new one.

    Attributes:
        assigned (dict[str, set[str]]): By file, the variables that its statements assign or change in place.
        values (dict[str, dict]): By file, the values of all its variables in the end. The most derived file is the
            last.
        has_references (bool): Whether a value may refer to a variable: there is a base, or a file reads a variable.
    """

    def __init__(self, path: str, replace: dict[str, dict[str, Callable[[Any], Any]]] | None = None) -> None:
        self.path = path
        self.replace = replace or {}
        self.assigned: dict[str, set[str]] = {}
        self.values: dict[str, dict[str, Any]] = {}
        self.has_references = False

    def read(self) -> Config:
        """The config, as ``Config.fromfile`` gives it. YAML and JSON are not executed, so that nothing is replaced."""
        # In a module, its own names come before Python's.
        hooks = dict(compile=self._compile, eval=self._execute, exec=self._execute)
        vars(mmengine_config).update(hooks)
        try:
            return Config.fromfile(self.path)
        finally:
            for name in hooks:
                delattr(mmengine_config, name)

    def _compile(self, source: Any, filename: str, **kwargs) -> Any:
        if isinstance(source, ast.Module):
            transformer = _ReplaceBehind(self.replace.get(filename, ()))
            source = ast.fix_missing_locations(transformer.visit(source))
            self.assigned[filename] = transformer.assigned
            self.has_references |= len(self.assigned) > 1 or any(
                isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in transformer.assigned
                for node in ast.walk(source))
        return compile(source, filename, **kwargs)

    def _execute(self, code: Any, variables: dict[str, Any] | None = None, *args) -> None:
        if variables is None:  # not a file, but the value of `_base_`
            return builtins.eval(code, vars(mmengine_config))
        if code.co_filename in self.replace:
            variables[REPLACE] = self.replace[code.co_filename]
        builtins.exec(code, variables, *args)
        self.values[code.co_filename] = variables


class _ReplaceBehind(ast.NodeTransformer):
    """Put ``NAME = __replace__['NAME'](NAME)`` behind each statement that changes one of the names."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names
        self.assigned: set[str] = set()

    def generic_visit(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            return node  # variables in there are no variables of the config
        node = super().generic_visit(node)
        changed = _changed(node)
        self.assigned |= changed
        added = [ast.parse(f'{name} = {REPLACE}[{name!r}]({name})').body[0] for name in self.names if name in changed]
        return [node, *added] if added else node


def _changed(node: ast.AST) -> set[str]:
    """The variables that a statement assigns, or changes in place as ``NAME[0].update(...)`` does."""
    if isinstance(node, ast.Assign):
        return set().union(*map(_roots, node.targets))
    if isinstance(node, ast.AugAssign) or isinstance(node, ast.AnnAssign) and node.value:
        return _roots(node.target)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _roots(node.value.func)
    if isinstance(node, ast.Delete):
        return set().union(*(_roots(target) for target in node.targets if not isinstance(target, ast.Name)))
    return set()


def _roots(target: ast.AST) -> set[str]:
    """The variables of which something is a part: ``steps`` for ``steps[0].scale``."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, (ast.Tuple, ast.List)):
        return set().union(*map(_roots, target.elts))
    if isinstance(target, (ast.Attribute, ast.Subscript, ast.Starred)):
        return _roots(target.value)
    return set()
