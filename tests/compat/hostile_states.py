"""Reads checkpoints that hold each admitted type in each state that pickle can set; a crash ends this process.

    python -m tests.compat.hostile_states FOLDER [COUNT] [SEED]

Prints how many files were read and how many refused.
"""

import pickle
import random
import struct
import sys
import zipfile
from collections import Counter
from pathlib import Path

import torch

import mmsimmim  # noqa: F401

NUMPY = ('numpy dtype', 'numpy ndarray', 'numpy._core.multiarray scalar', 'numpy._core.multiarray _reconstruct')
GLOBALS = (*NUMPY, 'mmengine.logging.history_buffer HistoryBuffer', 'mmengine.config.config ConfigDict',
           'builtins getattr', '_codecs encode', 'argparse Namespace', 'yacs.config CfgNode',
           'collections OrderedDict', 'numpy.dtypes Float64DType', 'numpy.dtypes BoolDType')
PLAIN = (3, '<', None, None, None, -1, -1, 0)


class Writer:
    """Writes pickles by hand, with objects that are made by a global's call and filled with a state."""

    def value(self, value) -> bytes:
        if isinstance(value, Made):
            return value.write(self)
        if isinstance(value, (tuple, list)):
            parts = b''.join(map(self.value, value))
            return b'(' + parts + b't' if isinstance(value, tuple) else b']' + b'(' + parts + b'e'
        if isinstance(value, dict):
            return b'}(' + b''.join(self.value(key) + self.value(item) for key, item in value.items()) + b'u'
        if isinstance(value, bytes):  # as pickle of protocol 2
            return Made('_codecs encode', (value.decode('latin1'), 'latin1')).write(self)
        if isinstance(value, str):
            return b'X' + struct.pack('<I', len(value.encode())) + value.encode()
        if value is None or isinstance(value, bool):
            return {None: b'N', True: b'\x88', False: b'\x89'}[value]
        if isinstance(value, float):
            return b'G' + struct.pack('>d', value)
        content = pickle.encode_long(value)
        return b'\x8a' + bytes([len(content)]) + content


class Made:
    """An object of a file: what a global returns for arguments, then filled with states."""

    def __init__(self, name, args=None, *states, new=False):
        self.name, self.args, self.states, self.new = name, args, states, new

    def write(self, writer) -> bytes:
        module, name = self.name.split()
        written = f'c{module}\n{name}\n'.encode()
        if self.args is not None:
            written += writer.value(tuple(self.args)) + (b'\x81' if self.new else b'R')
        return written + b''.join(writer.value(state) + b'b' for state in self.states)


def save(value, path: Path) -> None:
    """A file as torch.save would make it."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02' + Writer().value(value) + b'.')
        archive.writestr('archive/version', b'3\n')
        archive.writestr('archive/byteorder', b'little')


def dtype(name='f8', *states):
    return Made('numpy dtype', (name, False, True), *states)


def array(*states):
    return Made('numpy._core.multiarray _reconstruct', (Made('numpy ndarray'), (0, ), b'b'), *states)


OBJECT_FIELDS = (3, '|', None, ('a', 'b'), {'a': (dtype('O'), 0), 'b': (dtype('O'), 8)}, 16, 1, 0x3F)
DTYPE_STATES = [
    PLAIN, (3, '|', None, ('a', ), {'a': (dtype('O'), 0)}, 8, 1, 0x3F),
    (3, '|', (dtype('O'), (2, )), None, None, 16, 1, 0x3F), (3, '|', None, None, None, -1, -1, 0x3F),
    (3, '<', None, None, None, 1 << 30, -1, 0),
    (3, '<', (dtype('f8'), (1 << 20, )), None, None, 1 << 23, 1, 0),
    (3, '>', (dtype('f8'), (2, 3)), None, None, 48, 8, 0x3F),
    OBJECT_FIELDS, (3, '<', None, ('a', ), {'a': (dtype('f8'), 1 << 40)}, 8, 1, 0), (3, '<', None, (), {}, -8, 1, 0),
    (3, '?', None, None, None, -1, -1, 0), (4, '<', None, None, None, -1, -1, 0, {'a': 1}), (1, '<', None, None, None),
    (2, '<', None, None, None, -1, -1), (3, '<', None, None, None, 0, 0, 0), (), None, {}, [], 7, 'f8', (3, ) * 8]



def known() -> list:
    """The attacks that were found."""
    pointers = struct.pack('<4Q', *[0x4141414141414141] * 4)
    hostile = [dtype('f8', state) for state in DTYPE_STATES]
    hostile += [dtype(name, state) for name in ('V16', 'O', 'b1', 'u1', 'S16') for state in DTYPE_STATES[:7]]
    for each in hostile:
        yield each
        yield Made('numpy._core.multiarray scalar', (each, pointers[:16]))
        yield array((1, (2, ), each, False, pointers))
        yield array((1, (2, ), each, False, [1, 2]))
    for shape in ((1 << 40, ), (-1, ), (2, -2), (0, 1 << 62, 1 << 62), (1, ) * 65, 2, None, (True, )):
        yield array((1, shape, dtype('f8', PLAIN), False, pointers))
    yield array((1, (32, ), dtype('b1', (3, '|', None, None, None, -1, -1, 0)), False, pointers))
    yield array((1, (4, ), dtype('f8', PLAIN), False, pointers), (1, (4, ), dtype('f8', PLAIN), False, pointers))
    for new in (False, True):
        yield Made('numpy ndarray', ((1 << 16, ), 'O'), new=new)
        yield Made('numpy ndarray', ((4, ), 'f8', array((1, (4, ), dtype('f8', PLAIN), False, pointers))), new=new)
        yield Made('numpy ndarray', ((4, ), 'f8'), (1, (4, ), dtype('f8', PLAIN), False, pointers), new=new)


def drawn(random: random.Random, depth: int = 0):
    """Any value, most often an admitted type with arguments and states."""
    kind = random.random()
    if depth < 4 and kind < 0.5:
        name = random.choice(GLOBALS)
        args = None if random.random() < 0.2 else [drawn(random, depth + 1) for _ in range(random.randrange(4))]
        states = [drawn(random, depth + 1) for _ in range(random.choice((0, 1, 1, 2)))]
        return Made(name, args, *states, new=random.random() < 0.3)
    if depth < 4 and kind < 0.7:
        pick = random.randrange(4)
        if pick == 0:
            return dtype(random.choice(('f8', 'O', 'b1', 'V8', 'u1')), *random.sample(DTYPE_STATES, 1))
        if pick == 1:
            return array((1, drawn(random, 4), drawn(random, depth + 1), False, drawn(random, 4)))
        if pick == 2:
            return tuple(drawn(random, depth + 1) for _ in range(random.randrange(6)))
        keys = ('max_length', '_log_history', '_count_history', 'statistics_methods', '_statistics_methods', 'mean')
        return {key: drawn(random, depth + 1) for key in random.sample(keys, random.randrange(6))}
    return random.choice((None, True, 0, 1, -1, 8, 1 << 31, 1 << 62, -(1 << 63), 1.5, float('nan'), 'f8', 'O', 'V16',
                          'latin1', '__class__', 'mean', b'', b'b', b'A' * 8, b'\x02' * 16, b'A' * 64, (0, ), (2, ),
                          (2, 4), (1 << 40, ), *DTYPE_STATES))


def use(value) -> None:
    """What a program does with what it read."""
    for one in value if isinstance(value, (tuple, list)) else [value]:
        repr(one)
        str(getattr(one, 'dtype', ''))
        if hasattr(one, 'sum'):
            one.sum(), one.copy(), one.reshape(-1)[:1].tolist()
        if hasattr(one, 'statistics'):
            one.statistics('mean')


def main() -> None:
    folder, count, seed = Path(sys.argv[1]), *(list(map(int, sys.argv[2:])) + [300, 0][len(sys.argv) - 2:])
    generator, outcome = random.Random(seed), Counter()
    values = [*known(), *(drawn(generator) for _ in range(count))]
    for number, value in enumerate(values):
        path = folder / 'file.pth'
        save(value, path)
        try:
            read = torch.load(path, weights_only=True)
        except Exception:  # Any error of Python's is a refusal.
            outcome['refused'] += 1
            continue
        outcome['read'] += 1
        try:
            use(read)
        except Exception as error:
            print(number, type(error).__name__, str(error)[:80], file=sys.stderr)
    print(dict(outcome))


if __name__ == '__main__':
    main()
