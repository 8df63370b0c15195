"""Templates of parameter names, read in one direction and written in the other.

``{param}`` stands for ``weight`` or ``bias``, ``{stage}`` and ``{block}`` for a number, ``{last}`` for the number of
the last stage. ``{stage+1}`` is the number after the stage, and ``{stage<last}`` a stage before the last.
"""

import re
from collections.abc import Iterable
from functools import cache

_FIELD = re.compile(r'\{(\w+)(\+1|<last)?\}')


def last_stage(keys: Iterable[str]) -> int:
    """Number of the last stage whose blocks the keys name; 3, as in every published model, if they name none."""
    return max(map(int, re.findall(r'(?:layers|stages)\.(\d+)\.blocks\.', '\n'.join(keys))), default=3)


def match(key: str, template: str, last: int) -> dict[str, str] | None:
    """Read a key.

    Args:
        key (str): Name of a parameter.
        template (str): See the module.
        last (int): Number of the last stage.

    Returns:
        dict[str, str] | None: The values of the fields; None if the key does not match.
    """
    found = _pattern(template, last).fullmatch(key)
    if found is None:
        return None
    parts = found.groupdict()
    for name, rule in _FIELD.findall(template):
        if rule == '+1':
            if parts[name] == '0':
                return None
            parts[name] = str(int(parts[name]) - 1)
        elif rule == '<last' and int(parts[name]) >= last:
            return None
    return parts


def fill(template: str, parts: dict[str, str], last: int) -> str:
    """Write a key; the reverse of :func:`match`."""

    def value(field: re.Match) -> str:
        name, rule = field.groups()
        if name == 'last':
            return str(last)
        return str(int(parts[name]) + 1) if rule == '+1' else parts[name]

    return _FIELD.sub(value, template)


@cache
def _pattern(template: str, last: int) -> re.Pattern:
    kinds = {'last': str(last), 'param': '(?P<param>weight|bias)'}
    texts = re.split(r'\{[^}]*\}', template)
    fields = [kinds.get(name, rf'(?P<{name}>\d+)') for name, _ in _FIELD.findall(template)]
    return re.compile(''.join(re.escape(text) + field for text, field in zip(texts, [*fields, ''])))
