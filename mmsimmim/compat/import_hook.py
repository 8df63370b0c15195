"""Runs a callback right after a module of another package was imported, without importing it now."""

import importlib.abc
import sys
from collections.abc import Callable
from types import ModuleType

Callback = Callable[[ModuleType], None]


def after_import(name: str, callback: Callback) -> None:
    """Call ``callback(module)`` once the module is there: now if it is imported already, else when it will be.

    Args:
        name (str): Full name of a module inside a package.
        callback (Callable): Receives the executed module. Registering the same callback again has no effect.
    """
    if name in sys.modules:
        callback(sys.modules[name])
        return
    callbacks = _finder().callbacks.setdefault(name, [])
    if callback not in callbacks:
        callbacks.append(callback)


def import_without(name: str, absent: str) -> None:
    """While a module is imported, let another one look as if it were not installed, unless it is imported already.

    Args:
        name (str): Full name of the module, which must be able to do without the other.
        absent (str): Full name of the other one.
    """
    _finder().absent.setdefault(name, set()).add(absent)


def _finder() -> '_Finder':
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    return finder


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the named modules where Python would, and wraps their loaders."""

    def __init__(self) -> None:
        self.callbacks: dict[str, list[Callback]] = {}
        self.absent: dict[str, set[str]] = {}

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in self.callbacks and fullname not in self.absent:
            return None
        for finder in sys.meta_path:  # all the others: those of editable installs are among them
            find_spec = None if finder is self else getattr(finder, 'find_spec', None)
            spec = find_spec and find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self.callbacks.get(fullname, []), self.absent.get(fullname, ()))
                return spec
        return None


class _Loader(importlib.abc.Loader):
    """The module's own loader, in whose place it stands until the module is executed, and then the callbacks."""

    def __init__(self, loader, callbacks: list[Callback], absent: set[str]) -> None:
        self.loader = loader
        self.callbacks = callbacks
        self.absent = absent

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__.loader = module.__loader__ = self.loader
        hidden = [name for name in self.absent if name not in sys.modules]
        sys.modules.update(dict.fromkeys(hidden))  # None makes Python raise ModuleNotFoundError
        try:
            self.loader.exec_module(module)
        finally:
            for name in hidden:
                if sys.modules.get(name) is None:
                    sys.modules.pop(name, None)
        for callback in self.callbacks:
            callback(module)

    def __getattr__(self, name: str):
        return getattr(self.loader, name)
