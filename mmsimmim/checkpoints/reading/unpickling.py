"""A pickle of ``torch.save``, read with the instructions that it has, and calls of admitted globals alone.

PyTorch's own reader for ``weights_only=True`` hands what stands in a file to functions of its own that were not made
for hostile arguments: sparse tensors whose indices nothing checks, tensors of memory that nobody wrote, dictionaries
whose methods a file replaces.
"""

import _compat_pickle
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

from .admitted import Admitted, StorageKind, build, find
from .nesting import require_key, require_tree
from .tensors import Storage, Tensors

# The instructions that PyTorch's own reader knows, but for those that are methods below.
PLAIN = (pickle.PROTO + pickle.STOP + pickle.MARK + pickle.TUPLE + pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3
         + pickle.NONE + pickle.NEWFALSE + pickle.NEWTRUE + pickle.EMPTY_TUPLE + pickle.EMPTY_LIST + pickle.EMPTY_DICT
         + pickle.EMPTY_SET + pickle.BININT + pickle.BININT1 + pickle.BININT2 + pickle.BINFLOAT + pickle.BINUNICODE
         + pickle.SHORT_BINSTRING + pickle.BINPERSID + pickle.BINGET + pickle.LONG_BINGET + pickle.BINPUT
         + pickle.LONG_BINPUT + pickle.LONG1)
DICTIONARIES = (dict, OrderedDict, Counter)


class Unpickler(pickle._Unpickler):
    """Reads one pickle after another from a file.

    Args:
        file (BinaryIO): The pickle.
        make_storage (Callable): Takes type of numbers, key, number of values, location and, in the old format, which
            part of the storage it is, or None; returns a :class:`~.tensors.Storage`.
    """

    dispatch = {code: pickle._Unpickler.dispatch[code] for code in PLAIN}

    def __init__(self, file: BinaryIO, make_storage: Callable[..., Storage]) -> None:
        super().__init__(file, encoding='utf-8', errors='strict')
        self._tensors, self._make_storage = Tensors(), make_storage

    def load(self) -> Any:
        """The next pickle.

        Raises:
            UnpicklingError: It has other instructions, or names other globals.
        """
        try:
            content = super().load()
        except (KeyError, IndexError, AttributeError) as error:
            raise pickle.UnpicklingError(f'its pickle is broken ({type(error).__name__}: {error})') from error
        require_tree(content)
        return content

    def find_class(self, module: str, name: str) -> Any:
        """What stands in for a global, under its name of today."""
        module, name = _compat_pickle.NAME_MAPPING.get((module, name),
                                                       (_compat_pickle.IMPORT_MAPPING.get(module, module), name))
        return find(f'{module}.{name}'.replace('torch.tensor.', 'torch._tensor.'), self._tensors)

    def persistent_load(self, pid: Any) -> Storage:
        """A storage of the file."""
        kind, dtype, key, location, count, *view = pid if type(pid) is tuple and len(pid) in (5, 6) else [None] * 5
        key, location, kind = (part.decode() if type(part) is bytes else part for part in (key, location, kind))
        if (kind != 'storage' or type(dtype) is not StorageKind or type(key) is not str or type(location) is not str
                or type(count) is not int or not 0 <= count < 1 << 48):
            raise pickle.UnpicklingError('a storage of another form')
        return self._make_storage(dtype.kind, key, count, location, *view)

    def _global(self) -> None:
        module, name = (self.readline()[:-1].decode('utf-8') for _ in range(2))
        self.append(self.find_class(module, name))

    def _reduce(self) -> None:
        args, function = self.stack.pop(), self.stack[-1]
        if not isinstance(function, Admitted) or type(args) is not tuple:
            raise pickle.UnpicklingError('a call of what is no function')
        self.stack[-1] = function.call(*args)

    def _new(self) -> None:
        args, kind = self.stack.pop(), self.stack.pop()
        if type(kind) is not Admitted or not kind.kind or type(args) is not tuple:
            raise pickle.UnpicklingError('an object of what is no class')
        self.append(kind.kind.__new__(kind.kind, *args))

    def _build(self) -> None:
        state = self.stack.pop()
        build(self.stack[-1], state)

    def _append(self) -> None:
        value = self.stack.pop()
        self._list().append(value)

    def _appends(self) -> None:
        values = self.pop_mark()
        self._list().extend(values)

    def _list(self) -> list:
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError(f'values for a {type(self.stack[-1]).__name__}')
        return self.stack[-1]

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_all([key, value])

    def _set_items(self) -> None:
        self._set_all(self.pop_mark())

    def _set_all(self, items: list) -> None:
        if type(self.stack[-1]) not in DICTIONARIES or len(items) % 2:
            raise pickle.UnpicklingError(f'items for a {type(self.stack[-1]).__name__}')
        for key, value in zip(items[::2], items[1::2]):
            self.stack[-1][require_key(key)] = value

    for _codes, _method in ((pickle.GLOBAL, _global), (pickle.REDUCE, _reduce), (pickle.NEWOBJ, _new),
                            (pickle.BUILD, _build), (pickle.APPEND, _append), (pickle.APPENDS, _appends),
                            (pickle.SETITEM, _set_item), (pickle.SETITEMS, _set_items)):
        dispatch[_codes[0]] = _method
