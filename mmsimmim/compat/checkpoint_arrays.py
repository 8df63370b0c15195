"""Fault: a crafted NumPy dtype in a checkpoint corrupts memory, although no code in the file is run.

Pickle hands a dtype its state as it stands in the file: fields, sub-arrays, flags. Where the state says that bytes are
Python objects, bytes of the file become pointers. ``numpy.ndarray``, once listed as safe, can moreover be called by a
file: it makes arrays of memory that nobody wrote, and views that outlive what they look at.

Repair: the stand-ins of this module take the place of NumPy's types and of MMEngine's HistoryBuffer. A dtype is made of
its string alone, an array of its dtype, shape and as many bytes as those take, and everything else is refused.

Pickle fills an object after it made it, and NumPy's own arrays would be filled by NumPy. So the arrays of a file are
of a class of their own, which behaves, computes and is saved again as ``numpy.ndarray``.
"""

import math
import pickle
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

NUMBER_TYPES = ('bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64', 'float16', 'float32',
                'float64')
STATISTICS = frozenset({'min', 'max', 'mean', 'current'})
MAX_DIMENSIONS = 32  # of NumPy 1
MAX_VALUES = 2**48  # also of the other sides where one is 0, as NumPy multiplies them in 64 bits
HISTORY_STATE = {'max_length', '_statistics_methods', 'statistics_methods', '_log_history', '_count_history'}

_NUMBERS = {name: np.dtype(name) for dtype in NUMBER_TYPES for name in (dtype, np.dtype(dtype).str[1:])}
# Version, byte order, sub-array, names, fields, size and alignment (of flexible types), flags.
_DTYPE_STATES = {(3, order, None, None, None, -1, -1, 0): order for order in '<>=|'}


def refuse(what: str) -> pickle.UnpicklingError:
    """The error for a state that neither NumPy nor MMEngine writes into a checkpoint."""
    return pickle.UnpicklingError(
        f'the checkpoint holds {what}. No checkpoint of MMEngine does, and it can be the way to corrupt memory, so the '
        'file is refused.')


class Dtype:
    """Stands in for ``numpy.dtype``: a boolean, integer or floating point type; ``dtype`` is the real one."""

    __slots__ = ('dtype', )

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        if type(name) is not str or name not in _NUMBERS or align not in (False, 0):
            raise refuse(f'a NumPy array of the type {_shown(name)}, which is no plain number')
        self.dtype = _NUMBERS[name]

    def __setstate__(self, state: tuple) -> None:
        order = _DTYPE_STATES.get(state) if _plain(state) else None
        if order is None:
            raise refuse(f'a NumPy dtype with more than a type of numbers: {_shown(state)}')
        self.dtype = self.dtype.newbyteorder(order) if order in '<>' else self.dtype

    def __reduce__(self) -> Any:
        return self.dtype.__reduce__()


class Array(np.ndarray):
    """Stands in for ``numpy.ndarray``: made empty by ``_reconstruct``, and filled once with numbers."""

    def __new__(cls, *args, **kwargs):
        raise refuse('a call of numpy.ndarray')

    def __setstate__(self, state: tuple) -> None:
        if type(state) is not tuple or len(state) != 5 or type(state[3]) not in (bool, int) or self.size:
            raise refuse('a NumPy array with a state of another form')
        version, shape, dtype, fortran, content = state
        if type(version) is not int or version != 1 or not _is_shape(shape):
            raise refuse(f'a NumPy array of the shape {_shown(shape)}')
        content = _content(dtype, content, math.prod(shape))
        super().__setstate__((1, shape, dtype.dtype, bool(fortran), content))

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()

    def __reduce_ex__(self, protocol: int) -> Any:
        return self.view(np.ndarray).__reduce_ex__(protocol)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        plain = array.view(np.ndarray)
        return plain[()] if return_scalar or array.ndim == 0 else plain


def scalar(dtype: Dtype, content: bytes) -> np.generic:
    """Stand in for NumPy's function of this name: a number of its bytes."""
    return np.frombuffer(_content(dtype, content, 1), dtype.dtype)[0]


def reconstruct(kind: type, shape: tuple, code: bytes) -> Array:
    """Stand in for NumPy's ``_reconstruct``: an empty array."""
    if kind is not Array or shape != (0, ) or code not in (b'b', 'b'):
        raise refuse('a NumPy array that is made in another way than NumPy does')
    return np.ndarray.__new__(Array, 0, np.int8)


class History(HistoryBuffer):
    """Stands in for HistoryBuffer, and becomes one once it is filled with what MMEngine writes."""

    def __new__(cls, *args):
        if args:
            raise refuse('a call of HistoryBuffer')
        return super().__new__(cls)

    def __init__(self) -> None:
        super().__init__()

    def __setstate__(self, state: dict) -> None:
        if type(state) is not dict or not set(state) <= HISTORY_STATE or type(state.get('max_length', 0)) is not int:
            raise refuse('a HistoryBuffer with a state of another form')
        for name in ('_statistics_methods', 'statistics_methods'):
            methods = state.get(name, {})
            if type(methods) is not dict or any(
                    key not in STATISTICS or method is not HistoryBuffer.__dict__[key]
                    for key, method in methods.items()):
                raise refuse('a HistoryBuffer with statistics that are not its own')
        histories = {name: state.get(name) for name in ('_log_history', '_count_history')}
        if any(type(history) is not Array or history.ndim != 1 for history in histories.values()):
            raise refuse('a HistoryBuffer without its two lists of numbers')
        self.__class__ = HistoryBuffer
        plain = {name: history.view(np.ndarray).copy() for name, history in histories.items()}
        self.__setstate__({'statistics_methods': {}, **state, **plain})


def _plain(state: Any) -> bool:
    """Whether a state can be looked up: a tuple of strings, whole numbers and None."""
    return type(state) is tuple and all(type(part) in (str, int, type(None)) for part in state)


def _is_shape(shape: Any) -> bool:
    return (type(shape) is tuple and len(shape) <= MAX_DIMENSIONS
            and all(type(side) is int and side >= 0 for side in shape)
            and math.prod(side or 1 for side in shape) <= MAX_VALUES)


def _content(dtype: Any, content: Any, count: int) -> bytes:
    """The bytes of a number of values: as many as they take, and of booleans only 0 and 1, on which NumPy relies."""
    if type(content) is str:  # Python 2
        content = content.encode('latin1')
    if type(dtype) is not Dtype or type(content) is not bytes or len(content) != count * dtype.dtype.itemsize:
        raise refuse(f'{count} NumPy values of {_shown(dtype)} in another number of bytes')
    if dtype.dtype == bool and content.strip(b'\0\1'):
        raise refuse('a NumPy boolean that is neither true nor false')
    return content


def _shown(value: Any) -> str:
    return repr(getattr(value, 'dtype', value))[:80]


# torch looks a global up under the module and name that the listed object carries.
for _stand_in, _module, _name in ((Dtype, 'numpy', 'dtype'), (Array, 'numpy', 'ndarray'),
                                  (History, HistoryBuffer.__module__, HistoryBuffer.__qualname__)):
    _stand_in.__module__, _stand_in.__name__, _stand_in.__qualname__ = _module, _name, _name
