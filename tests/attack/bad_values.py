"""Drawing options for ``--cfg-options`` that hardly make sense."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

LONG = f'[{",".join(["1"] * 300)}]'
NUMBERS = ('0', '-1', '1', '3', '0.5', '-0.5', 'nan', 'inf', '-inf', '1e30', '1e-30', '1e9')
WORDS = ('abc', 'NoSuchName', 'mmsimmim.NoSuchName', '/dev/null/no/such/path', '\x1b[2Jred', '')
OTHERS = ('None', 'True', 'False', '[]', '()', '[1,2,3]', '[abc]', LONG)
# A large number here asks for more processes, memory or time than there is, as it says.
COSTLY = ('num_workers', 'opencv_num_threads', 'prefetch_factor')


class Option(NamedTuple):
    """An option of a command.

    Attributes:
        key (str): Full key.
        text (str): Its value, as on a command line.
        before (Any): What the config has under the key that is meant.
        way (str): What was done: 'value', 'misspelt', 'nested', 'deleted'.
    """

    key: str
    text: str
    before: Any
    way: str


def draw(generator: random.Random, settings: dict) -> Option:
    """An option for any part of a config."""
    # First a section, or the hundreds of keys of models and pipelines would leave few tries to all others.
    sections = {name: list(_places(settings[name], name)) for name in sorted(settings)}
    section = generator.choices(list(sections), [len(places)**0.5 for places in sections.values()])[0]
    key, before = generator.choice(sections[section])
    way = generator.choices(('value', 'misspelt', 'nested', 'deleted'), (8, 2, 1, 1))[0]
    if way == 'misspelt' and '.' in key and not key.rsplit('.', 1)[1].isdigit():
        return Option(_misspelt(generator, key), _text(before), before, way)
    if way == 'nested' and not isinstance(before, (dict, list, tuple)):
        return Option(f'{key}.{generator.choice(("type", "oops"))}', generator.choice(('1', 'abc')), before, way)
    if way == 'deleted' and isinstance(before, dict):
        return Option(f'{key}._delete_', 'True', before, way)
    return Option(key, _value(generator, key, before), before, 'value')


def _places(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    yield key, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        yield from _places(value, f'{key}.{name}')


def _misspelt(generator: random.Random, key: str) -> str:
    above, name = key.rsplit('.', 1)
    at = generator.randrange(len(name))
    return f'{above}.{generator.choice((name[:at] + name[at] + name[at:], name[:at] + "x" + name[at + 1:]))}'


def _value(generator: random.Random, key: str, before: Any) -> str:
    values = NUMBERS if isinstance(before, (int, float)) and generator.random() < 0.6 else NUMBERS + WORDS + OTHERS
    if isinstance(before, str) and generator.random() < 0.5:
        values = WORDS
    if key.split('.')[-1] in COSTLY:
        values = [value for value in values if value not in ('1e9', '1e30', 'inf')]
    if isinstance(before, (list, tuple)) and before and not isinstance(before[0], dict) and generator.random() < 0.5:
        items = [_text(value) for value in before]
        items[generator.randrange(len(items))] = generator.choice(NUMBERS + WORDS[:2])
        return f'[{",".join(items)}]'
    return generator.choice(values)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f'[{",".join(map(_text, value))}]'
    return 'None' if isinstance(value, dict) else str(value)
