"""Damage to checkpoints, from a seed: to the bytes of a file, and to what it holds."""

import io
import json
import math
import random
import struct
import zipfile
from collections import OrderedDict
from typing import Any

import torch

from .checkpoint_formats import weights_of


def damaged_bytes(raw: bytes, dice: random.Random) -> tuple[str, bytes]:
    """What was done, and the file after it."""
    kinds = [_flip, _flip, _cut, _zero, _insert, _swap, _extreme, _directory]
    if raw.startswith(b'PK'):
        kinds += [_twice, _compressed, _overlapping, _other_checksum, _nested, _appended]
    elif raw[8:9] == b'{':
        kinds += [_header] * 6
    change = dice.choice(kinds)
    return change.__name__[1:], change(bytearray(raw), dice)


def _flip(raw: bytearray, dice: random.Random) -> bytes:
    for _ in range(dice.choice((1, 1, 2, 8))):
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return bytes(raw)


def _cut(raw: bytearray, dice: random.Random) -> bytes:
    return bytes(raw[:dice.randrange(len(raw))])


def _zero(raw: bytearray, dice: random.Random) -> bytes:
    place, length = dice.randrange(len(raw)), dice.choice((1, 16, 512, 4096))
    raw[place:place + length] = bytes(len(raw[place:place + length]))
    return bytes(raw)


def _insert(raw: bytearray, dice: random.Random) -> bytes:
    place = dice.randrange(len(raw))
    raw[place:place] = dice.randbytes(dice.choice((1, 8, 512)))
    return bytes(raw)


def _swap(raw: bytearray, dice: random.Random) -> bytes:
    size = dice.choice((16, 512))
    one, other = (dice.randrange(max(1, len(raw) - size)) for _ in range(2))
    raw[one:one + size], raw[other:other + size] = raw[other:other + size], raw[one:one + size]
    return bytes(raw)


def _extreme(raw: bytearray, dice: random.Random) -> bytes:
    """Numbers at the places where sizes stand, most often at the beginning or the end."""
    place = dice.choice((dice.randrange(64), len(raw) - 1 - dice.randrange(200), dice.randrange(len(raw))))
    number = dice.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, 2**40))
    raw[place:place + 8] = struct.pack('<Q', number)[:len(raw[place:place + 8])]
    return bytes(raw)


def _directory(raw: bytearray, dice: random.Random) -> bytes:
    """Bytes of the directory of a zip file, or of a header or trailer."""
    first = max(raw.rfind(b'PK\1\2'), 0) if dice.random() < 0.5 else max(raw.find(b'PK\1\2'), 0)
    place = min(len(raw) - 1, first + dice.randrange(60))
    raw[place] = dice.randrange(256)
    return bytes(raw)


def _parts(raw: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def _archive(parts: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', method) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return file.getvalue()


def _twice(raw: bytearray, dice: random.Random) -> bytes:
    parts = _parts(raw)
    name, content = dice.choice(parts)
    return _archive([*parts, (name, bytes(len(content)))])


def _compressed(raw: bytearray, dice: random.Random) -> bytes:
    """A bomb, too: a part of zeros that unfolds to much more than the file."""
    bomb = [('archive/data/999', bytes(dice.choice((0, 1 << 20, 1 << 26))))]
    return _archive(_parts(raw) + bomb, zipfile.ZIP_DEFLATED)


def _overlapping(raw: bytearray, dice: random.Random) -> bytes:
    """A directory whose entries lead to the same place."""
    entries = [place for place in range(len(raw)) if raw.startswith(b'PK\1\2', place)]
    target = dice.choice(entries)
    for place in dice.sample(entries, len(entries) // 2):
        for first, end in ((16, 28), (42, 46)):  # checksum and sizes; place
            raw[place + first:place + end] = raw[target + first:target + end]
    return bytes(raw)


def _other_checksum(raw: bytearray, dice: random.Random) -> bytes:
    entries = [place for place in range(len(raw)) if raw.startswith(b'PK\1\2', place)]
    place = dice.choice(entries)
    raw[place + 16:place + 20] = dice.randbytes(4)
    return bytes(raw)


def _nested(raw: bytearray, dice: random.Random) -> bytes:
    return _archive([(dice.choice(('archive/data.pkl', 'data.pkl', 'inner.pth', 'archive/data/0')), bytes(raw))])


def _appended(raw: bytearray, dice: random.Random) -> bytes:
    """Another archive behind it, or before it, which readers take in turn."""
    other = _archive([(name, bytes(len(content))) for name, content in _parts(raw)])
    return other + bytes(raw) if dice.random() < 0.5 else bytes(raw) + other


def _header(raw: bytearray, dice: random.Random) -> bytes:
    """The header of safetensors: other sizes, types, offsets, or the same name twice."""
    length = int.from_bytes(raw[:8], 'little')
    header = json.loads(raw[8:8 + length])
    names = [name for name in header if name != '__metadata__']
    one, other = dice.sample(names, 2)
    entry, pick = header[one], dice.randrange(8)
    if pick == 0:
        entry['data_offsets'] = header[other]['data_offsets']
    elif pick == 1:
        entry['data_offsets'] = [dice.choice((-8, 0, 2**63, 2**64, 1e30, 'a', None)), dice.choice((0, 2**62, -1))]
    elif pick == 2:
        entry['shape'] = dice.choice(([-1], [2**62, 4], [0], [2**32, 2**32], ['1'], [[1]], [1.5], None, [1] * 5000))
    elif pick == 3:
        entry['dtype'] = dice.choice(('F64', 'F4', 'C64', 'U8', 'BF16', '', None, 7, 'F8_E4M3'))
    elif pick == 4:
        header['__metadata__'] = dice.choice(({'format': 'tf'}, {'a': 1}, [], 'x', {'a': 'x' * 100000}))
    elif pick == 5:
        header[one], header[other] = header[other], header[one]
    text = json.dumps(header)
    if pick == 6:
        text = text[:-1] + ', ' + json.dumps(one) + ': ' + json.dumps(header[other]) + '}'
    elif pick == 7:
        other_length = dice.choice((2**64 - 1, 2**40, (100 << 20) - 1, length + 1, length - 1, 0))
        return other_length.to_bytes(8, 'little') + raw[8:]
    return len(text.encode()).to_bytes(8, 'little') + text.encode() + raw[8 + length:]


def damaged_content(content: dict[str, Any], dice: random.Random) -> tuple[str, Any]:
    """What was done, and the content after it; the tensors that were are not changed."""
    content = _copied(content)
    weights = weights_of(content)
    names = [name for name, value in weights.items() if value.is_floating_point()]
    name = dice.choice(names)
    pick = dice.choice(('rename', 'missing', 'more', 'shape', 'type', 'thing', 'view', 'value', 'key', 'top'))
    if pick == 'rename':
        other = dice.choice(('', name + '.', name.upper(), 'x' * 5000, '\x1b[2J\n', dice.choice(names)))
        weights[other] = weights.pop(name)
    elif pick == 'missing':
        for each in dice.sample(names, dice.randint(1, len(names))):
            del weights[each]
    elif pick == 'more':
        weights[f'{name}.{dice.randrange(9)}'] = torch.zeros(dice.randrange(3))
    elif pick == 'shape':
        value = weights[name]
        weights[name] = dice.choice((value[None], value.flatten()[:1], value.flatten(), value[:0], torch.tensor(1.)))
    elif pick == 'type':
        kind = dice.choice((torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.complex64,
                            torch.uint8))
        weights[name] = weights[name].to(kind)
    elif pick == 'thing':
        weights[name] = dice.choice((None, 1, 'x', [1.], {}, (), weights[name].tolist(), weights[name].to_sparse(),
                                     weights[name].to('meta'), {'weight': weights[name]}, OrderedDict(), b'x',
                                     torch.quantize_per_tensor(weights[name].float(), 0.1, 0, torch.qint8)))
    elif pick == 'view':
        value = weights[name]
        weights[name] = dice.choice((torch.zeros(1).expand(value.shape), value.clone().T if value.ndim == 2 else value,
                                     torch.zeros(1).expand(1 << 40), torch.zeros(value.numel() + 7)[7:].view_as(value),
                                     weights[dice.choice(names)].flatten()[:1].expand(value.shape)))
    elif pick == 'value':
        weights[name] = torch.full_like(weights[name], dice.choice((math.nan, math.inf, -0., 1e38)))
    elif pick == 'key':
        weights[dice.choice((0, None, 1.5, True, b'x', (1, 'a'), -1))] = weights.pop(name)
    else:
        content[dice.choice([*content, 'meta', 'state_dict', 'model'])] = junk(dice)
    return pick, content


def junk(dice: random.Random, depth: int = 0) -> Any:
    """Anything that a pickle can hold."""
    deep = [1]
    for _ in range(dice.choice((3, 150))):
        deep = [deep]
    again = ['x']
    for _ in range(40):
        again = [again, again]
    itself = []
    itself.append(itself)
    return dice.choice((None, 0, -1, 2**70, math.nan, '', 'x' * 1000, '1', b'x', [], {}, (), [None], {'a': {}}, {0: 1},
                        torch.tensor(1.), torch.zeros(0), torch.zeros(3, dtype=torch.int64), deep, again, itself,
                        [torch.zeros(2)], {'state': 3, 'param_groups': 'x'}, {'state': {}, 'param_groups': [None]},
                        {'x': torch.zeros(2)}, True, 1e400, OrderedDict(a=1), set(), torch.Size([1]), 1j))


def damaged_training(content: dict[str, Any], dice: random.Random) -> tuple[str, Any]:
    """Damage to what a training has beside its weights: any node of it becomes something else."""
    content = _copied(content)
    part = dice.choice(('optimizer', 'optimizer', 'param_schedulers', 'meta', 'message_hub', 'message_hub'))
    node, path = content, part
    key = part
    while True:
        child = node[key]
        keys = list(child) if isinstance(child, dict) else list(range(len(child))) if isinstance(child, list) else []
        if not keys or dice.random() < 0.15:
            break
        node, key = child, dice.choice(keys)
        path += f'.{key}'
    pick = dice.randrange(3)
    if pick == 0 and isinstance(node, dict):
        del node[key]
    elif pick == 1 and isinstance(node[key], torch.Tensor) and node[key].numel():
        value = node[key]
        node[key] = dice.choice((value[None], value.flatten()[:1], value.to(torch.int64), value * math.nan, -value - 1,
                                 value.flatten()[:1].expand(value.numel()).view_as(value)))
    else:
        node[key] = junk(dice)
    return path, content


def _copied(node: Any) -> Any:
    """New dictionaries and lists around the same tensors."""
    if isinstance(node, dict):
        kind = OrderedDict if isinstance(node, OrderedDict) else dict
        return kind((key, _copied(value)) for key, value in dict.items(node))
    return [_copied(value) for value in node] if type(node) is list else node
