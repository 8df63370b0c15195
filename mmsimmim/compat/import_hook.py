"""Runs a callback right after a module of another package was imported, without importing it now."""

import importlib.abc
import importlib.machinery
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

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in self.callbacks:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        spec.loader = _Loader(spec.loader, self.callbacks[fullname])
        return spec


class _Loader(importlib.abc.Loader):
    """The module's own loader, followed by the callbacks."""

    def __init__(self, loader, callbacks: list[Callback]) -> None:
        self.loader = loader
        self.callbacks = callbacks

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        for callback in self.callbacks:
            callback(module)

    def __getattr__(self, name: str):
        return getattr(self.loader, name)
