"""Files of ``torch.save``, in its zip format and in the one before PyTorch 1.6, which has no checksums."""

import io
import mmap as memory_maps
import os
import pickle
import sys
from typing import Any, BinaryIO

import torch
from torch import UntypedStorage

from .archives import Parts
from .tensors import Storage
from .unpickling import Unpickler

# torch.serialization.MAGIC_NUMBER and PROTOCOL_VERSION
MAGIC_NUMBER, PROTOCOL = 0x1950a86a20f9469cfc6c, 1001


def read_zip(path: str, map_location: Any = 'cpu', mmap: bool = False) -> Any:
    """Read a file of the zip format.

    Args:
        path (str): The file.
        map_location (Any): As of ``torch.load``.
        mmap (bool): Leave the numbers on the disk until they are used. Defaults to False.

    Raises:
        Exception: Of many types, if the file is damaged; ``UnpicklingError`` if it holds what is not admitted.
    """
    with open(path, 'rb') as file:
        parts = Parts(file, os.fstat(file.fileno()).st_size)
        whole = memory_maps.mmap(file.fileno(), 0, access=memory_maps.ACCESS_COPY) if mmap else None
        order, storages = parts.read('byteorder', sys.byteorder.encode()), {}
        if order not in (b'little', b'big'):
            raise pickle.UnpicklingError('an unknown order of bytes')

        def make_storage(dtype: torch.dtype, key: str, count: int, location: str, view: Any = None) -> Storage:
            if view is not None:
                raise pickle.UnpicklingError('a storage of another form')
            if key not in storages:
                begin, size = parts.find(f'data/{key}')
                if size != count * dtype.itemsize:
                    raise pickle.UnpicklingError(f'a storage of {count} values in {size} bytes')
                data = _part_of_map(whole, begin, size) if mmap else _read(file, begin, size)
                if order.decode() != sys.byteorder:
                    data.byteswap(dtype)
                storages[key] = Storage(_moved(data, location, map_location), dtype, count)
            return _same(storages[key], dtype, key, count)

        return Unpickler(io.BytesIO(parts.read('data.pkl')), make_storage).load()


def read_legacy(path: str, map_location: Any = 'cpu') -> Any:
    """Read a file of the format before PyTorch 1.6: pickles, after which the numbers stand.

    Args:
        path (str): The file.
        map_location (Any): As of ``torch.load``.

    Raises:
        Exception: As of :func:`read_zip`.
    """
    with open(path, 'rb') as file:
        legacy = _Legacy(file, map_location)
        content, keys = legacy.unpickle()
        legacy.fill(keys)
        # Tensors of other devices need the numbers when they are made.
        return legacy.unpickle()[0] if legacy.move() else content


class _Legacy:
    """A file of the old format, which is read once for its numbers, and again if they go to another device."""

    def __init__(self, file: BinaryIO, map_location: Any) -> None:
        self.file, self.size, self.map_location = file, os.fstat(file.fileno()).st_size, map_location
        self.storages, self.locations, self.parts = {}, {}, {}

    def unpickle(self) -> tuple[Any, list[str]]:
        """The content, and the keys of the storages in the order of the file."""
        self.file.seek(0)
        pickles = Unpickler(_Bounded(self.file, self.size), self.make_storage)
        if pickles.load() != MAGIC_NUMBER or pickles.load() != PROTOCOL:
            raise pickle.UnpicklingError('its beginning is not that of torch.save')
        machine, content, keys = pickles.load(), pickles.load(), pickles.load()
        if isinstance(machine, dict) and machine.get('little_endian', True) is not (sys.byteorder == 'little'):
            raise pickle.UnpicklingError('its numbers are those of a machine with another order of bytes')
        if type(keys) is not list or any(type(key) is not str for key in keys) or sorted(keys) != sorted(self.storages):
            raise pickle.UnpicklingError('it has not the numbers of all tensors')
        return content, keys

    def make_storage(self, dtype: torch.dtype, key: str, count: int, location: str, view: Any = None) -> Storage:
        """A storage without its numbers, or a part of one."""
        if key not in self.storages:
            size = count * dtype.itemsize
            if size + sum(storage.data.nbytes() for storage in self.storages.values()) > self.size:
                raise EOFError('it ends before the numbers that it announces')
            self.storages[key], self.locations[key] = Storage(UntypedStorage(size), dtype, count), location
        whole = _same(self.storages[key], dtype, key, count)
        if view is None:
            return whole
        name, offset, length = view if type(view) is tuple and len(view) == 3 else (None, -1, -1)
        if type(offset) is not int or type(length) is not int or not 0 <= offset <= offset + length <= count:
            raise pickle.UnpicklingError('a part of a storage that reaches beyond it')
        data = whole.data[offset * dtype.itemsize:(offset + length) * dtype.itemsize]
        return Storage(data, dtype, length)

    def fill(self, keys: list[str]) -> None:
        """Read the numbers."""
        for key in keys:
            data, _, count = self.storages[key]
            if int.from_bytes(self.file.read(8), 'little') != count:
                raise pickle.UnpicklingError(f'a storage of {count} values in another number')
            _read_into(self.file, data)

    def move(self) -> bool:
        """Bring the storages to their devices; whether any is on another one then."""
        moved = {key: _moved(storage.data, self.locations[key], self.map_location)
                 for key, storage in self.storages.items()}
        others = any(data is not self.storages[key].data for key, data in moved.items())
        self.storages = {key: storage._replace(data=moved[key]) for key, storage in self.storages.items()}
        return others


class _Bounded:
    """A file that is asked for no more than it has; a pickle may ask for gigabytes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size, self.readline = file, size, file.readline

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes."""
        return self.file.read(min(count, self.size))

    def readinto(self, buffer: Any) -> int:
        """As of a file."""
        return self.file.readinto(buffer)


def _same(storage: Storage, dtype: torch.dtype, key: str, count: int) -> Storage:
    if storage[1:] != (dtype, count):
        raise pickle.UnpicklingError(f'the storage {key} in two ways')
    return storage


def _part_of_map(whole: memory_maps.mmap, begin: int, size: int) -> UntypedStorage:
    if not size:
        return UntypedStorage(0)
    return torch.frombuffer(whole, dtype=torch.uint8, count=size, offset=begin).untyped_storage()


def _read(file: BinaryIO, begin: int, size: int) -> UntypedStorage:
    data = UntypedStorage(size)
    file.seek(begin)
    _read_into(file, data)
    return data


def _read_into(file: BinaryIO, data: UntypedStorage) -> None:
    buffer = torch.empty(0, dtype=torch.uint8).set_(data).numpy()
    if file.readinto(memoryview(buffer)) != data.nbytes():
        raise EOFError('it ends before its numbers do')


def _moved(data: UntypedStorage, location: str, map_location: Any) -> UntypedStorage:
    """A storage on the device that ``map_location`` says, as ``torch.load`` has it."""
    restore = torch.serialization.default_restore_location
    if map_location is None:
        return restore(data, location)
    if isinstance(map_location, dict):
        return restore(data, map_location.get(location, location))
    if isinstance(map_location, (str, torch.device)):
        return restore(data, str(map_location))
    moved = map_location(data, location)
    return restore(data, location) if moved is None else moved
