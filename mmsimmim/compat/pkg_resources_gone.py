"""Fault: MMEngine 0.10.7 looks for installed packages with ``pkg_resources``.

setuptools warns at each of these calls that it is deprecated, reloads all of it in some, and has it no more from
version 82 on: configs with ``_base_ = 'mmdet::...'`` then fail.

Repair: the three functions that use it ask ``importlib.metadata``. MMEngines whose functions do so are left alone.
"""

import importlib.util
import os.path as osp
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from types import ModuleType

from mmsimmim.compat.import_hook import after_import

MODULE = 'mmengine.utils.package_utils'


def apply() -> None:
    """Replace the functions wherever they were imported to, now or when MMEngine is imported."""
    after_import(MODULE, _replace)


def _replace(package_utils: ModuleType) -> None:
    for ours in (is_installed, get_installed_path, package2module):
        theirs = getattr(package_utils, ours.__name__)
        if 'pkg_resources' not in theirs.__code__.co_names:
            continue
        for module in list(sys.modules.values()):
            if getattr(module, '__dict__', {}).get(ours.__name__) is theirs:
                setattr(module, ours.__name__, ours)


def is_installed(package: str) -> bool:
    """Whether there is a distribution or a module (no namespace package) of that name.

    Args:
        package (str): Such as 'mmdet' or 'mmsegmentation'.

    Returns:
        bool: Whether it is installed.
    """
    return _find(package) is not None or _folder(package) is not None


def get_installed_path(package: str) -> str:
    """The folder of a package.

    Args:
        package (str): Name of a distribution or a module, such as 'mmsegmentation' or 'mmseg'.

    Returns:
        str: Such as '.../site-packages/mmseg'.

    Raises:
        PackageNotFoundError: If it is not installed.
        RuntimeError: If it is a namespace package.
    """
    found = _find(package)
    if found is None:
        if importlib.util.find_spec(package) is None:
            raise PackageNotFoundError(package)
        folder = _folder(package)
        if folder is None:
            raise RuntimeError(f'{package} is a namespace package, which has no single folder')
        return folder
    place = osp.join(str(found.locate_file('')), package)
    if osp.exists(place):
        return place
    module = package2module(package)
    # The files of an editable install lie elsewhere.
    return _folder(module) or osp.join(str(found.locate_file('')), module)


def package2module(package: str) -> str:
    """The name under which a distribution is imported.

    Args:
        package (str): Such as 'mmsegmentation'.

    Returns:
        str: Such as 'mmseg'.

    Raises:
        PackageNotFoundError: If there is no such distribution.
        ValueError: If it does not say.
    """
    names = (distribution(package).read_text('top_level.txt') or '').split()
    if not names:
        raise ValueError(f'can not infer the module name of {package}')
    return names[0]


def _find(package: str) -> Distribution | None:
    try:
        return distribution(package)
    except PackageNotFoundError:
        return None


def _folder(module: str) -> str | None:
    spec = importlib.util.find_spec(module)
    return osp.dirname(spec.origin) if spec is not None and spec.origin is not None else None
