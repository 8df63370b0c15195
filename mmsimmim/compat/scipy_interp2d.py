"""Fault: SciPy 1.14 removed ``interp2d``, which mmpretrain and mmsegmentation call to resize bias tables of BEiT.

Loading a BEiT of another image size then ends in ``NotImplementedError``, under either OpenMMLab. The encoders of this
package have a spline of their own (:mod:`mmsimmim.layers.position_bias`).

Repair: a function of that name for what the two call: cubic splines through values on a grid, read on a grid, by
``RectBivariateSpline``, which SciPy recommends in its place and which calls the same FITPACK.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmsimmim.compat.import_hook import after_import
from mmsimmim.compat.stacks import installed_version

FIRST_WITHOUT = (1, 14)


def apply() -> None:
    """Put the function into ``scipy.interpolate``, now or when that is imported."""
    after_import('scipy.interpolate', _replace)


def is_removed() -> bool:
    """Whether the installed SciPy has only a stub of that name, which raises."""
    return tuple(map(int, (installed_version('scipy') or '0.0').split('.')[:2])) >= FIRST_WITHOUT


def _replace(module: ModuleType) -> None:
    if is_removed():
        module.interp2d = interp2d


def interp2d(x: Any, y: Any, z: Any, kind: str = 'linear') -> Callable[[Any, Any], Any]:
    """A spline through values on a grid.

    Args:
        x (array): Columns of the grid, strictly increasing, at least four.
        y (array): Rows of the grid, likewise.
        z (array): Values, shape (rows, columns).
        kind (str): Must be ``'cubic'``.

    Returns:
        Callable: Takes increasing columns and rows, gives the values there, shape (rows, columns).

    Raises:
        NotImplementedError: For another kind of spline.
    """
    if kind != 'cubic':
        raise NotImplementedError(f'SciPy has no interp2d(kind={kind!r}) since 1.14, and its stand-in here knows '
                                  "kind='cubic' only. Use scipy.interpolate.RegularGridInterpolator.")
    from scipy.interpolate import RectBivariateSpline
    spline = RectBivariateSpline(y, x, z, kx=3, ky=3)
    return lambda columns, rows: spline(rows, columns)
