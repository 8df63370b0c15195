"""Fault: MMEngine 0.10.7 cannot read its own checkpoints under torch >= 2.6.

``torch.load`` then unpickles with ``weights_only=True``, which admits listed types only. MMEngine's checkpoints hold a
message hub: ``HistoryBuffer`` with NumPy arrays and scalars, and metadata that may be ``ConfigDict``. Moreover a
HistoryBuffer pickles its four statistics as methods, which pickle writes as calls of ``builtins.getattr``; were the
real one admitted, a hostile file could reach any attribute, and through it run code.

Repair: exactly those types are listed with ``torch.serialization.add_safe_globals``, and in place of ``getattr`` stands
a function that gives out the four statistics of HistoryBuffer and refuses everything else. In place of NumPy's types
and of HistoryBuffer stand those of :mod:`.checkpoint_arrays`, which check what they are filled with.
``weights_only=False`` is never used. Before torch 2.6 ``torch.load`` is what it was; ``weights_only=True`` asked for by
hand works there as well.

torch looks a global up under ``__module__`` and ``__qualname__`` of the listed object (``__name__`` before 2.6).
Stand-ins carry the name they stand for, because tuples of object and name are understood from torch 2.6 on only.
"""

import pickle
from _codecs import encode
from types import ModuleType

from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from mmsimmim.compat.checkpoint_arrays import STATISTICS, Array, Dtype, History, reconstruct, scalar
from mmsimmim.compat.import_hook import after_import


def apply() -> None:
    """Add MMEngine's checkpoint types to torch's list of safe globals."""
    after_import('torch.serialization', _admit)


def _admit(serialization: ModuleType) -> None:
    serialization.add_safe_globals(list(SAFE_GLOBALS))


def guarded_getattr(owner, name):
    """Stand in for ``getattr`` in a checkpoint: only the statistics of HistoryBuffer are given out.

    Args:
        owner (type): Must be ``HistoryBuffer`` itself.
        name (str): One of ``min``, ``max``, ``mean``, ``current``.

    Raises:
        pickle.UnpicklingError: For any other pair; the checkpoint is not one that MMEngine wrote.
    """
    if (owner is HistoryBuffer or owner is History) and type(name) is str and name in STATISTICS:
        return HistoryBuffer.__dict__[name]
    raise pickle.UnpicklingError(
        f'the checkpoint asks for the attribute {name!r} of {owner!r}. MMEngine writes no such thing, and it can be '
        'the way to run code, so the file is refused.'
    )


def _named(function, module: str, name: str):
    """A function that does what ``function`` does under the name by which checkpoints call it."""

    def stand_in(*args):
        return function(*args)

    stand_in.__module__, stand_in.__name__, stand_in.__qualname__ = module, name, name
    return stand_in


def _numpy_functions():
    """NumPy's two constructors under their names in NumPy 1 and in NumPy 2: files of either are read by either."""
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        yield _named(scalar, module, 'scalar')
        yield _named(reconstruct, module, '_reconstruct')


SAFE_GLOBALS = (
    History,
    ConfigDict,
    Array,
    Dtype,
    *_numpy_functions(),
    encode,  # how pickle spells bytes; torch lists it itself from 2.6 on
    _named(guarded_getattr, 'builtins', 'getattr'),
)
