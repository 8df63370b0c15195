"""The globals that a checkpoint may name, and what stands in for each.

Each is called with what a file gives it. None can be changed by a file, and none is handed out as it is: a file holds
:class:`Admitted` objects, of which only the unpickler makes calls.
"""

import argparse
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from ...compat.checkpoint_arrays import Array, Dtype, History
from ...compat.checkpoint_globals import SAFE_GLOBALS
from .nesting import require_key, require_tree
from .tensors import DTYPES, Tensors, rebuild_parameter, size_of

# What torch admits and this package does not: tensors whose parts nothing checks, or that have no values.
REFUSED = {
    'torch._utils._rebuild_sparse_tensor': 'a sparse tensor', 'torch.serialization._get_layout': 'a sparse tensor',
    'torch._utils._rebuild_qtensor': 'a quantised tensor', 'torch._utils._rebuild_nested_tensor': 'a nested tensor',
    'torch._utils._rebuild_meta_tensor_no_storage': 'a tensor without values (of the meta device)',
    'torch._utils._rebuild_wrapper_subclass': 'a tensor of a class of its own',
    'torch._utils._rebuild_device_tensor_from_numpy': 'a tensor of a device that has no storages',
    'torch._utils._rebuild_device_tensor_from_cpu_tensor': 'a tensor of a device that has no storages',
    'torch.distributed.tensor.DTensor': 'a shard of a tensor (DTensor)',
}
QUANTISED = (torch.qint8, torch.quint8, torch.qint32, torch.quint4x2, torch.quint2x4)


class Admitted:
    """A global, or a function that stands in for it.

    Args:
        call (Callable): What a call of it does.
        kind (type, optional): The class that it is, of which a file may make an object. Defaults to None.
    """

    __slots__ = ('call', 'kind')

    def __init__(self, call: Callable, kind: type | None = None) -> None:
        object.__setattr__(self, 'call', call)
        object.__setattr__(self, 'kind', kind)

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnpicklingError('a change of a function')


class StorageKind(Admitted):
    """A class of storages, which a file may name and not call: ``kind`` is the type of its numbers."""

    __slots__ = ()


def find(name: str, tensors: Tensors) -> Any:
    """What stands for a global.

    Args:
        name (str): Module and name.
        tensors (Tensors): Makes the tensors of the file.

    Returns:
        Any: An :class:`Admitted`, or the value itself (a dtype).

    Raises:
        UnpicklingError: It is not admitted; in the words of PyTorch, if it could run code.
    """
    if name in REFUSED:
        raise UnpicklingError(f'it holds {REFUSED[name]}; save ordinary tensors')
    if name in DTYPES:
        return StorageKind(_never, DTYPES[name])
    if name.startswith('torch.') and isinstance(found := getattr(torch, name[len('torch.'):], None), torch.dtype):
        if found in QUANTISED:
            raise UnpicklingError('it holds a quantised tensor; save ordinary tensors')
        return found
    makers = {'torch._utils._rebuild_tensor': tensors.rebuild, 'torch._utils._rebuild_tensor_v2': tensors.rebuild,
              'torch._utils._rebuild_tensor_v3': tensors.rebuild_v3}
    if name in makers:
        return Admitted(makers[name])
    if name in ADMITTED:
        return ADMITTED[name]
    if name in (others := _admitted_by_the_user()):
        return Admitted(others[name], others[name] if isinstance(others[name], type) else None)
    raise UnpicklingError(f'GLOBAL {name} is not admitted')


def _admitted_by_the_user() -> dict[str, Any]:
    """What ``torch.serialization.add_safe_globals`` was given, as torch finds it; torch's own are no user's."""
    pairs = (one[::-1] if isinstance(one, tuple) else (f'{one.__module__}.{one.__qualname__}', one)
             for one in torch.serialization.get_safe_globals())
    return {name: one for name, one in pairs if not name.startswith('torch.')}


def build(made: Any, state: Any) -> None:
    """Fill an object with its state, as pickle does for those few that have one here."""
    kind = type(made)
    if kind is OrderedDict:  # of a module's state dict; other attributes would take the place of its methods
        if isinstance(state, dict) and isinstance(state.get('_metadata'), dict):
            made._metadata = state['_metadata']
    elif kind in (Dtype, Array, History):
        made.__setstate__(state)
    elif kind is argparse.Namespace and type(state) is dict and all(type(key) is str for key in state):
        made.__dict__.update(state)
    elif kind in _admitted_by_the_user().values() and kind.__module__ != 'builtins':
        made.__setstate__(state) if hasattr(made, '__setstate__') else made.__dict__.update(state)
    else:
        raise UnpicklingError(f'a state for a {kind.__name__}')


def _never(*args: Any) -> None:
    raise UnpicklingError('a call of what is no function')


def _ordered(*pairs: Any) -> OrderedDict:
    if pairs and (len(pairs) != 1 or type(pairs[0]) is not list):
        raise UnpicklingError('an OrderedDict of something else than pairs')
    return OrderedDict((require_key(key), value) for key, value in (pairs[0] if pairs else ()))


def _counter(counts: Any = None) -> Counter:
    if counts is not None and type(counts) is not dict:
        raise UnpicklingError('a Counter of something else than a dictionary')
    return Counter(counts)


def _set(values: Any = ()) -> set:
    if type(values) is not list:
        raise UnpicklingError('a set of something else than a list')
    return set(map(require_key, values))


def _bytearray(value: Any = b'', encoding: str = 'latin-1') -> bytearray:
    return bytearray(_encoded(value, encoding) if type(value) is str else value if type(value) is bytes else _never())


def _complex(real: float, imaginary: float = 0.) -> complex:
    return complex(*[one if type(one) in (int, float) else _never() for one in (real, imaginary)])


def _encoded(text: str, encoding: str = 'latin1') -> bytes:
    if type(text) is not str or encoding not in ('latin1', 'latin-1'):
        raise UnpicklingError('bytes in another spelling than of pickle')
    return text.encode('latin1')


def _device(*args: Any) -> torch.device:
    return torch.device(*args)


def _from_type(function: Admitted, kind: Admitted, args: tuple, state: Any) -> Tensor:
    """A tensor with attributes, which are left out."""
    if type(function) is not Admitted or type(args) is not tuple or type(kind) is not Admitted:
        raise UnpicklingError('a tensor of a class of its own')
    made = function.call(*args)
    if type(made) is not kind.kind or kind.kind not in (Tensor, nn.Parameter):
        raise UnpicklingError('a tensor of a class of its own')
    return made


def _settings(*args: Any) -> OrderedDict:
    """A CfgNode of yacs, which is plain data here."""
    return OrderedDict()


def _config(content: Any) -> ConfigDict:
    if type(content) is not dict:
        raise UnpicklingError('a ConfigDict of something else than a dictionary')
    require_tree(content)  # which it copies branch by branch
    return ConfigDict(content)


def _of_mmengine() -> dict[str, Admitted]:
    """The stand-ins for NumPy's and MMEngine's types; what they take classes for, they get as classes."""
    return {f'{one.__module__}.{one.__qualname__}': Admitted(_unwrapping(one), one if isinstance(one, type) else None)
            for one in SAFE_GLOBALS}


def _unwrapping(function: Callable) -> Callable:
    return lambda *args: function(*[arg.kind if type(arg) is Admitted and arg.kind else arg for arg in args])


ADMITTED = {
    **_of_mmengine(),
    f'{ConfigDict.__module__}.ConfigDict': Admitted(_config, ConfigDict),
    'torch._utils._rebuild_parameter': Admitted(rebuild_parameter),
    'torch._utils._rebuild_parameter_with_state': Admitted(rebuild_parameter),
    'torch._tensor._rebuild_from_type_v2': Admitted(_from_type),
    'torch.Tensor': Admitted(_never, Tensor),
    'torch.nn.parameter.Parameter': Admitted(_never, nn.Parameter),
    'torch.Size': Admitted(size_of),
    'torch.device': Admitted(_device),
    'collections.OrderedDict': Admitted(_ordered, OrderedDict),
    'collections.Counter': Admitted(_counter),
    'builtins.set': Admitted(_set),
    'builtins.bytearray': Admitted(_bytearray),
    'builtins.complex': Admitted(_complex),
    '_codecs.encode': Admitted(_encoded),
    'argparse.Namespace': Admitted(_never, argparse.Namespace),
    'yacs.config.CfgNode': Admitted(_settings, OrderedDict),
}
