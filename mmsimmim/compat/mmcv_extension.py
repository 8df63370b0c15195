"""Puts :mod:`.mmcv_ops` in the place of ``mmcv._ext`` where mmcv has no compiled operators.

The finder comes last: Python asks it only for what nobody else has, which leaves an installed extension alone, and the
operators are imported with ``mmcv.ops`` and not before.
"""

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType

EXTENSION = 'mmcv._ext'


def apply() -> None:
    """Provide ``mmcv._ext`` where it is absent."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


class _Finder(importlib.abc.MetaPathFinder):

    def find_spec(self, fullname, path=None, target=None):
        return importlib.machinery.ModuleSpec(EXTENSION, _Loader(), origin=__name__) if fullname == EXTENSION else None


class _Loader(importlib.abc.Loader):

    def create_module(self, spec):
        return None

    def exec_module(self, module: ModuleType) -> None:
        from mmsimmim.compat.mmcv_ops import fill

        fill(module)
