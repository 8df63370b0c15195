"""Pickles by hand, from a grammar: every global that a checkpoint may name, with whatever pickle can give it."""

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import torch

from tests.compat.hostile_states import DTYPE_STATES, Made, Writer, array, dtype, known

TORCH = sorted(torch._weights_only_unpickler._get_allowed_globals())
OURS = ('numpy.dtype', 'numpy.ndarray', 'numpy._core.multiarray.scalar', 'numpy._core.multiarray._reconstruct',
        'numpy.core.multiarray.scalar', 'mmengine.logging.history_buffer.HistoryBuffer',
        'mmengine.config.config.ConfigDict', 'builtins.getattr', 'argparse.Namespace', 'yacs.config.CfgNode')
# What would run code, were it admitted.
FORBIDDEN = ('os.system', 'posix.system', 'builtins.eval', 'builtins.exec', 'subprocess.Popen', 'builtins.open',
             'torch.load', 'torch.hub.load', 'torch.serialization.load', 'numpy.load', 'builtins.__import__',
             'torch.utils.cpp_extension.load', 'mmengine.config.config.Config', 'shutil.rmtree', 'pathlib.Path',
             'torch.storage._load_from_bytes', 'collections.OrderedDict.clear', 'torch.jit.load', 'functools.partial')
GLOBALS = [name.rpartition('.')[::2] for name in (*TORCH, *OURS, *OURS, *FORBIDDEN)]
REBUILDERS = [f'torch._utils {name.rpartition(".")[2]}' for name in TORCH if name.startswith('torch._utils')]
SIZES = (0, 1, 2, 4, 8, 64, 4096, -1, -8, 1 << 20, 1 << 31, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, True, 1.5, '4',
         None)


class Name:
    """A global by itself."""

    def __init__(self, module, name):
        self.text = f'c{module}\n{name}\n'.encode('utf-8', 'replace')

    def write(self, writer):
        return self.text


class Storage:
    """A storage of the file."""

    def __init__(self, *parts):
        self.parts = parts

    def write(self, writer):
        return writer.value(tuple(self.parts)) + b'Q'


class Raw:
    """Instructions as they stand."""

    def __init__(self, code):
        self.code = code

    def write(self, writer):
        return self.code


class Program(Writer):
    """A writer that knows the classes above."""

    def value(self, value):
        return value.write(self) if isinstance(value, (Name, Storage, Raw)) else super().value(value)


def storage(dice: random.Random, count: Any = None, kind: str | None = None, key: Any = None) -> Storage:
    """One of the file, or nearly."""
    kind = kind or dice.choice(('Float', 'Float', 'Long', 'Byte', 'Bool', 'Double', 'QInt8', 'Untyped', 'ComplexFloat'))
    module = 'torch.storage' if kind == 'Untyped' else 'torch'
    return Storage('storage' if dice.random() < 0.97 else 'module', Name(module, f'{kind}Storage'),
                   dice.choice(('0', '1', '0', '9', '../data.pkl', '')) if key is None else key,
                   dice.choice(('cpu', 'cpu', 'cpu', 'cuda:0', 'meta', 'x')),
                   dice.choice((4, 8, 16, 16, *SIZES)) if count is None else count)


def tensor(dice: random.Random) -> Made:
    """By one of the functions of PyTorch, with sizes, strides and offsets that may fit."""
    whole = [storage(dice, 16, 'Float', '0'), storage(dice)][dice.random() < 0.5]
    sides = dice.randrange(4)
    size = tuple(dice.choice((1, 2, 4, 16, dice.choice(SIZES))) for _ in range(sides))
    stride = tuple(dice.choice((1, 4, 0, dice.choice(SIZES))) for _ in range(sides + (dice.random() < 0.05)))
    offset = dice.choice((0, 0, 0, 4, dice.choice(SIZES)))
    hooks = Made('collections OrderedDict', ())
    name = dice.choice(('_rebuild_tensor_v2', '_rebuild_tensor_v2', '_rebuild_tensor', '_rebuild_tensor_v3'))
    tail = {'_rebuild_tensor': (), '_rebuild_tensor_v2': (dice.random() < 0.2, hooks),
            '_rebuild_tensor_v3': (False, hooks, Name('torch', dice.choice(('float32', 'uint16', 'int64', 'qint8'))))}
    return Made(f'torch._utils {name}', (whole, offset, size, stride, *tail[name]))


def good(dice: random.Random) -> Made:
    """A tensor that is in the file, or just not."""
    size = (dice.choice((1, 2, 4)), dice.choice((1, 4, 5)))
    return Made('torch._utils _rebuild_tensor_v2', (
        Storage('storage', Name('torch', 'FloatStorage'), '0', 'cpu', 16), dice.choice((0, 0, 4)), size,
        dice.choice(((4, 1), (1, 4), (1, 1))), False, Made('collections OrderedDict', ())))


def exotic(dice: random.Random) -> Made:
    """Sparse, quantised, nested and other tensors, whose parts do not fit one another."""
    return dice.choice((_sparse, _quantised, _rebuilt, _of_a_type, _constructed))(dice)


def _hooks() -> Made:
    return Made('collections OrderedDict', ())


def _sparse(dice: random.Random) -> Made:
    kind = dice.choice(('torch.sparse_coo', 'torch.sparse_csr', 'torch.strided'))
    layout = Made('torch.serialization _get_layout', (kind, ))
    parts = dice.choice(((tensor(dice), tensor(dice), (4, 4)),
                         (tensor(dice), tensor(dice), tensor(dice), (1 << 40, 4))))
    return Made('torch._utils _rebuild_sparse_tensor', (layout, parts))


def _quantised(dice: random.Random) -> Made:
    scale = (Name('torch', 'per_tensor_affine'), 1.0, 0)
    return Made('torch._utils _rebuild_qtensor', (storage(dice), 0, (4, ), (1, ), scale, False, _hooks()))


def _rebuilt(dice: random.Random) -> Made:
    """By the other functions of ``torch._utils``."""
    numbers = array((1, (4, ), dtype('f8', DTYPE_STATES[0]), False, b' ' * 32))
    name, *args = dice.choice((
        ('_rebuild_nested_tensor', *(tensor(dice) for _ in range(4))),
        ('_rebuild_meta_tensor_no_storage', Name('torch', 'float32'), (1 << 40, ), (1, ), False),
        ('_rebuild_parameter', tensor(dice), dice.random() < 0.5, _hooks()),
        ('_rebuild_parameter_with_state', tensor(dice), False, None, {'data': tensor(dice), '__class__': 1}),
        ('_rebuild_device_tensor_from_numpy', numbers, Name('torch', 'float32'), 'cpu', False)))
    return Made(f'torch._utils {name}', tuple(args))


def _of_a_type(dice: random.Random) -> Made:
    """A class, and attributes that take the place of its own."""
    view = (storage(dice, 16, 'Float', '0'), 0, (16, ), (1, ), False, None)
    ordered = Name('collections', 'OrderedDict')
    return Made('torch._tensor _rebuild_from_type_v2', dice.choice((
        (Name('torch._utils', '_rebuild_tensor_v2'), Name('torch', 'Tensor'), view, {'grad': 1, 'shape': (1, )}),
        (ordered, ordered, (), {'items': Name('builtins', 'set'), 'get': 1}))))


def _constructed(dice: random.Random) -> Made:
    """Classes that are called, most of them for memory that nobody wrote."""
    attributes = {'items': Name('builtins', 'set'), 'keys': 1, '_metadata': 7}
    return dice.choice((
        Made('torch Tensor', (dice.choice(SIZES), )),
        Made('torch FloatTensor', (1 << 16, )),
        Made('torch Tensor', (), (storage(dice), 0, (4, ), (1, ))),
        Made('torch.storage UntypedStorage', (dice.choice(SIZES), )),
        Made('builtins bytearray', (dice.choice(SIZES), )),
        Made('collections OrderedDict', ([['a', 1]], ), attributes),
        Made('torch.nn.parameter Parameter', (tensor(dice), )),
        Made('torch Size', ((1 << 62, -1), ))))


def anything(dice: random.Random, depth: int = 0) -> Any:
    """Any program: calls of admitted globals with arguments and states, most often in one another."""
    kind = dice.random()
    if depth < 4 and kind < 0.3:
        module, name = dice.choice(GLOBALS)
        args = None if dice.random() < 0.2 else [anything(dice, depth + 1) for _ in range(dice.randrange(5))]
        states = [anything(dice, depth + 1) for _ in range(dice.choice((0, 0, 1, 2)))]
        return Made(f'{module} {name}', args, *states, new=dice.random() < 0.2)
    if kind < 0.45:
        return tensor(dice)
    if kind < 0.55:
        return exotic(dice)
    if depth < 4 and kind < 0.6:
        return Made(dice.choice(REBUILDERS), [anything(dice, depth + 1) for _ in range(dice.randrange(3, 9))])
    if depth < 4 and kind < 0.7:
        return [tuple, list][dice.randrange(2)](anything(dice, depth + 1) for _ in range(dice.randrange(5)))
    if depth < 4 and kind < 0.8:
        names = ('a', 'data', '_metadata', 'items', '__class__', '__dict__', 'mean', 0)
        return {dice.choice(names): anything(dice, depth + 1) for _ in range(dice.randrange(4))}
    if kind < 0.84:
        return nesting(dice)
    if kind < 0.88:
        return dice.choice(list(known()))
    return dice.choice((*SIZES, *DTYPE_STATES[:6], Name(*dice.choice(GLOBALS)), b'x', '', {}, [], ()))


def nesting(dice: random.Random) -> Raw:
    """Containers that are deep, hold themselves, or one another many times; some as keys."""
    deep = dice.choice((150, 5000, 200_000))
    config = b'cmmengine.config.config\nConfigDict\n'
    again = [b'h' + bytes([i]) for i in range(60)]  # the dictionary before, twice
    doubled = b''.join(b'q' + one[1:] + b'}(X\1\0\0\0a' + one + b'X\1\0\0\0b' + one + b'u' for one in again)
    return Raw(dice.choice((
        b')' + b'\x85' * deep,  # tuples
        b']' * deep + b'a' * (deep - 1),  # lists
        b'})' + b'\x85' * deep + b'K\1s',  # a key
        b']q\0h\0a',
        b'}q\0X\1\0\0\0ah\0s',
        config + b'}q\0X\1\0\0\0ah\0s\x85R',
        b')' + b'q\0h\0\x86' * 60,
        config + b'}' + doubled + b'\x85R',
        b'X\xff\xff\xff\xffabc',  # longer than the file
        b'(' * deep + b'l',
        b'\x8a\xff' + b'\x7f' * 255,
        b'r\xff\xff\xff\xff',
        b'0' * 9,
        b'h\7')))


def program(dice: random.Random) -> bytes:
    """A whole pickle; most often what a checkpoint is, with weights that are one of the above."""
    if dice.random() < 0.15:  # as a good file has it, so that refusing everything is no success
        return b'\x80\x02' + Program().value({'model': {name: good(dice) for name in ('a', 'b', 'c')}}) + b'.'
    value = anything(dice)
    if dice.random() < 0.7:
        names = ('patch_embed.proj.weight', 'layers.0.blocks.0.attn.qkv.weight', 'norm.weight', 'x')
        weights = {name: anything(dice, 2) if dice.random() < 0.4 else tensor(dice)
                   for name in dice.sample(names, dice.randint(1, 4))}
        value = {dice.choice(('model', 'state_dict', 'a')): weights,
                 dice.choice(('meta', 'optimizer', 'config', 'message_hub')): value}
    code = bytearray(b'\x80\x02' + Program().value(value) + b'.')
    if dice.random() < 0.1:
        code[dice.randrange(2, len(code))] = dice.randrange(256)
    return bytes(code)


def write(dice: random.Random, path: Path) -> str:
    """A file with such a pickle, in one of the two formats; which."""
    code = program(dice)
    if dice.random() < 0.75:
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('archive/data.pkl', code)
            archive.writestr('archive/version', b'3\n')
            archive.writestr('archive/byteorder', dice.choice((b'little', b'little', b'big', b'x')))
            archive.writestr('archive/data/0', bytes(range(64)))
            archive.writestr('archive/data/1', b'\1\0' * 64)
        return 'zip'
    file = io.BytesIO()
    for part in (0x1950a86a20f9469cfc6c, 1001, {'little_endian': True, 'protocol_version': 1001}):
        file.write(b'\x80\x02' + Program().value(part) + b'.')
    file.write(code + b'\x80\x02' + Program().value(dice.choice((['0'], ['0', '1'], [], ['9'], 7))) + b'.')
    file.write((16).to_bytes(8, 'little') + bytes(range(64)) + (64).to_bytes(8, 'little') + b'\1\0' * 64)
    path.write_bytes(file.getvalue())
    return 'legacy'
