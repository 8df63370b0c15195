"""Damage to files, each drawn from a random generator: to bytes of any kind, and to JSON as it is written."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

EXTREMES = (b'\0', b'\xff', b'\x7f', b'\x80', b'\0\0', b'\xff\xff', b'\x7f\xff', b'\xff\x7f', b'\0\1', b'\1\0',
            b'\0\0\0\0', b'\xff\xff\xff\xff', b'\x7f\xff\xff\xff', b'\xff\xff\xff\x7f', b'\0\0\0\x80', b'\0' * 8,
            b'\xff' * 8)
HEADER = 96  # bytes at the beginning that are likely to say what is in a file
OTHERS = (b'\x93NUMPY\x01\0v\0', b'PK\x03\x04\x14\0', b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR', b'\xff\xd8\xff\xe0\0\x10JFIF\0',
          b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n', b'GIF89a\xff\xff\xff\xff', b'\x80\x02}q\0.',
          b'<svg xmlns="http://www.w3.org/2000/svg"/>', b'II*\0\x08\0\0\0', b'{}', b'[]')


def damage_bytes(data: bytes, random: np.random.Generator) -> tuple[bytes, str]:
    """Other bytes, and what was done to them."""
    kind = _BYTES[random.integers(len(_BYTES))]
    return kind(data, random), kind.__name__.strip('_')


def damage_text(data: bytes, random: np.random.Generator) -> tuple[bytes, str]:
    """The same for a text file: half of it is done to its encoding or lines."""
    if random.random() < 0.4:
        return damage_bytes(data, random)
    kind = _TEXT[random.integers(len(_TEXT))]
    return kind(data, random), kind.__name__.strip('_')


def damage_json(data: bytes, random: np.random.Generator) -> tuple[bytes, str]:
    """The same for JSON: most of it is JSON still, with other content."""
    if random.random() < 0.3:
        return damage_text(data, random)
    return _other_value(data, random)


def damage_json_lines(data: bytes, random: np.random.Generator) -> tuple[bytes, str]:
    """The same for a file with JSON on each line."""
    if random.random() < 0.3:
        return damage_text(data, random)
    lines = data.splitlines()
    place = int(random.integers(len(lines)))
    lines[place], what = _other_value(lines[place], random)
    return b'\n'.join(lines) + b'\n', f'{what} in line {place + 1}'


# ---- bytes


def _place(data: bytes, random: np.random.Generator, room: int = 1) -> int:
    """Anywhere; as often in the header."""
    end = max(len(data) - room, 1)
    return int(random.integers(min(HEADER, end) if random.random() < 0.4 else end))


def _span(data: bytes, random: np.random.Generator) -> tuple[int, int]:
    start = _place(data, random)
    return start, min(len(data), start + int(2**random.uniform(0, np.log2(max(len(data), 2)))))


def _flip_bits(data, random):
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 3, 30))):
        out[_place(data, random)] ^= 1 << int(random.integers(8))
    return bytes(out)


def _cut_off(data, random):
    return data[:int(random.integers(len(data)))] if random.random() < 0.7 else data[:-int(random.integers(1, 9))]


def _cut_off_but_ended(data, random):
    end = data[-int(random.choice((2, 12, 16))):]
    return data[:_place(data, random)] + end


def _zero(data, random):
    start, end = _span(data, random)
    return data[:start] + bytes(end - start) + data[end:]


def _overwrite(data, random):
    start, end = _span(data, random)
    return data[:start] + random.bytes(end - start) + data[end:]


def _remove(data, random):
    start, end = _span(data, random)
    return data[:start] + data[end:]


def _repeat(data, random):
    start, end = _span(data, random)
    return data[:end] + data[start:end] * int(random.choice((1, 1, 20))) + data[end:]


def _insert(data, random):
    place = _place(data, random)
    return data[:place] + random.bytes(int(random.choice((1, 4, 300)))) + data[place:]


def _swap(data, random):
    a, b, c = sorted(_place(data, random) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _set_extreme(data, random):
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 3))):
        value = EXTREMES[random.integers(len(EXTREMES))]
        place = _place(data, random, len(value))
        out[place:place + len(value)] = value
    return bytes(out)


def _append(data, random):
    return data + (random.bytes(int(random.choice((1, 100, 10000)))) if random.random() < 0.7 else data)


def _empty(data, random):
    return (b'', b'\0', b'\n', bytes(len(data)))[random.integers(4)]


def _other_format(data, random):
    other = OTHERS[random.integers(len(OTHERS))]
    return other + (data[len(other):] if random.random() < 0.5 else b'')


_BYTES: tuple[Callable, ...] = (_flip_bits, _flip_bits, _cut_off, _cut_off_but_ended, _zero, _overwrite, _remove,
                                _repeat, _insert, _swap, _set_extreme, _set_extreme, _append, _empty, _other_format)

# ---- text


def _with_mark(data, random):
    return b'\xef\xbb\xbf' + data


def _other_encoding(data, random):
    return data.decode(errors='replace').encode(random.choice(('utf-16', 'utf-16-be', 'utf-32', 'utf-7')))


def _other_line_ends(data, random):
    return data.replace(b'\n', (b'\r\n', b'\r', b'\x85', b'\n\n', b'\0')[random.integers(5)])


def _insert_text(data, random):
    texts = (b'\0', b'\x1b[2J', b'\xff\xfe', b'\xed\xa0\x80', '\u202e'.encode(), b'\x07', b'NaN', b'"', b'}', b'[' * 20,
             b'\xc3\x28', b'9' * 5000, b'{' * 3000, b'[' * 200000)
    place = _place(data, random)
    return data[:place] + texts[random.integers(len(texts))] + data[place:]


def _lose_a_line(data, random):
    lines = data.split(b'\n')
    place = int(random.integers(len(lines)))
    return b'\n'.join(lines[:place] + lines[place + 1:] if random.random() < 0.5 else lines[:place] + lines[place:] * 2)


_TEXT: tuple[Callable, ...] = (_with_mark, _other_encoding, _other_line_ends, _insert_text, _insert_text, _lose_a_line)

# ---- JSON

_VALUES = (None, True, False, 0, -1, 1, 0.5, -0.0, 2**31, 2**63, 2**64, 10**30, -2**63, 1e308, float('nan'),
           float('inf'), float('-inf'), '', '0', 'a', '../../../etc/passwd', '/dev/null', 'a\x00b', '\x1b[31m',
           '\ud800', '\u202egpj', 'x' * 10000, [], {}, [[]], [None], {'': None}, [1, 'a'], {'id': {}})


def _other_value(data: bytes, random: np.random.Generator) -> tuple[bytes, str]:
    """Replace, remove or repeat a value anywhere in it."""
    content = json.loads(data)
    places = list(_places(content))
    kind = random.integers(8)
    if not places or kind == 7:
        value = _VALUES[random.integers(len(_VALUES))]
        return _written(value), f'only {value!r:.30}'
    inner, key = places[random.integers(len(places))]
    if kind == 0:
        del inner[key]
        what = f'without {key!r:.30}'
    elif kind == 1 and isinstance(inner, list):
        inner.insert(key, inner[key])
        what = f'{key!r:.30} twice'
    elif kind == 2:
        deep = '[' * 100_000 + ']' * 100_000
        inner[key] = '@deep@'
        return _written(content).replace(b'"@deep@"', deep.encode()), f'{key!r:.30} nested deeply'
    elif kind == 3:
        first = json.dumps(_VALUES[random.integers(8)])
        name = json.dumps(key) if isinstance(key, str) else '"id"'
        return _written(content).replace(b'{', f'{{{name}: {first}, '.encode(), 1), f'another {key!r:.30}'
    else:
        value = _VALUES[random.integers(len(_VALUES))]
        inner[key] = value
        what = f'{key!r:.30} = {value!r:.30}'
    return _written(content), what


def _places(content: Any):
    """Each container and key in it."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items):
        yield content, key
        yield from _places(value)


def _written(content: Any) -> bytes:
    return json.dumps(content).encode()
