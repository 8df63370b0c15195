"""Values of settings on the command line: numbers, words, lists and tuples of them.

MMEngine's ``DictAction`` reads the same, but removes all spaces, splits quoted words at their commas, and cannot read
several lists beside one another.
"""

import re
from typing import Any

PAIRS = {'(': ')', '[': ']'}
QUOTES = ('"', "'")
WORDS = {'true': True, 'false': False}
_CALL = re.compile(r'^\w+\(.*,.*\)$')  # dict(a=1,b=2)


def parse_value(text: str) -> Any:
    """Parse the value of ``KEY=VALUE``.

    Spaces within a word stay, those around it do not. Quotes around the whole are removed first; within a list they
    hold a word together that has commas or brackets.

    Args:
        text (str): E.g. ``'1e-3'``, ``'None'``, ``'a,b'``, ``'[traffic light,car]'``, ``'(480,[1,2],"a, b")'``.

    Returns:
        Any: A number, bool, None, str, or list or tuple of such values; commas without brackets make a list.

    Raises:
        ValueError: If brackets in a list do not pair, or there is a ``dict(a=1,b=2)``.

    Examples:
        >>> parse_value('[traffic light, (1, 2.5), true]')
        ['traffic light', (1, 2.5), True]
    """
    text = text.strip()
    while _is_enclosed(text, QUOTES):
        text = text[1:-1].strip()
    if ',' not in text and text[:1] + text[-1:] not in ('()', '[]'):
        return _parse_word(text)
    return _parse_item(text) if _is_enclosed(text, PAIRS) else _parse_items(text)


def _parse_items(text: str) -> list:
    commas, _ = _scan(text, 0, '')
    items = [text[start + 1:end] for start, end in zip([-1, *commas], [*commas, len(text)])]
    if not items[-1].strip():
        del items[-1]
    return [_parse_item(item.strip()) for item in items]


def _parse_item(text: str) -> Any:
    if _is_enclosed(text, PAIRS):
        items = _parse_items(text[1:-1])
        return tuple(items) if text[0] == '(' else items
    return _parse_word(text)


def _parse_word(text: str) -> Any:
    text = text.strip('\'"')
    if _CALL.search(text):
        raise ValueError(f'{text!r} is no value')
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return None if text == 'None' else WORDS.get(text.lower(), text)


def _is_enclosed(text: str, openings: tuple | dict) -> bool:
    """Whether one pair of brackets, or of quotes, is around the whole."""
    return len(text) > 1 and text[0] in openings and _last_of(text, 0, 0) == len(text) - 1


def _scan(text: str, at: int, closing: str) -> tuple[list[int], int]:
    """Where the commas of a list are, and where it ends: at its closing bracket, or ('') at the end of the text."""
    commas, start = [], at
    while at < len(text):
        if text[at] == closing:
            return commas, at
        if text[at] in PAIRS.values():
            raise ValueError(f'{text[at]!r} has no bracket that it closes, in {text!r}')
        if text[at] == ',':
            commas.append(at)
            start = at + 1
        at = _last_of(text, start, at) + 1
    if closing:
        raise ValueError(f'{closing!r} is missing in {text!r}')
    return commas, at


def _last_of(text: str, start: int, at: int) -> int:
    """The last index of a list in brackets or a quoted word that begins at an index; of all else, the index itself.

    An item begins at ``start``: a quote within a word is an apostrophe.
    """
    if text[at] in PAIRS:
        return _scan(text, at + 1, PAIRS[text[at]])[1]
    if text[at] in QUOTES and not text[start:at].strip():
        end = text.find(text[at], at + 1)
        if end > at and text[end + 1:].lstrip()[:1] in ('', ',', ')', ']'):
            return end
    return at
