"""What the code that a config names said against one of its values, read from the traceback.

Code is asked for an object by a part of a config, and refuses: a ``ValueError`` of ours, an assertion of MMEngine, a
``TypeError`` of an optimizer that got a word for a number. That is the user's to mend, and told as key, value and
reason. What nobody raised on purpose in this package is a fault of the program, and stays a traceback.
"""

import difflib
import linecache
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any

from ...errors import shown

PACKAGE = str(Path(__file__).parents[2])
LIBRARIES = tuple(sysconfig.get_path(name) for name in ('purelib', 'platlib', 'stdlib'))
KINDS = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError,
         ValueError)
LENGTH = 100  # characters of a value that are shown
# What an attribute is missed of when a word or a number stands where a dict or a list is needed.
_PLAIN = re.compile(r"'(str|int|float|bool|list|tuple|NoneType|dict|ConfigDict)' object has no attribute")


def refusal(error: BaseException) -> str | None:
    """The sentence for an error that a value of a config led to; None for any other error.

    Args:
        error (BaseException): As it was caught, with its traceback.

    Returns:
        str | None: Key, value and reason.
    """
    steps = list(walk_tb(error.__traceback__))
    frames = [frame for frame, _ in steps]
    builders = [i for i, frame in enumerate(frames) if _builds(frame)]
    if not builders or not isinstance(error, KINDS) or not _is_refused(error, steps, builders[-1]):
        return None
    config, options = _config(frames), options_of_command(frames)
    reason = _reason(error, frames[builders[-1]])
    key, section = _part(config, [_section(frames[i]) for i in reversed(builders)])
    return shown(f'{_values(key, section, options, reason)}: {reason}')


# ---- whether it is one


def _builds(frame: FrameType) -> bool:
    """Whether MMEngine is making an object of a part of a config here."""
    code = frame.f_code
    return 'mmengine' in code.co_filename and (code.co_name.startswith('build_') or _is_runner(frame))


def _is_runner(frame: FrameType) -> bool:
    """Whether MMEngine reads all of a config here."""
    code = frame.f_code
    return code.co_filename.endswith(('runner.py', '_flexible_runner.py')) and code.co_name == '__init__'


def _is_refused(error: BaseException, steps: list[tuple[FrameType, int]], builder: int) -> bool:
    frame, line = steps[-1]
    if _wants_other_arguments(error, steps[builder][0]):
        return True
    if _is_ours(frame):
        return isinstance(error, (ValueError, TypeError)) and _raises(frame, line)
    if isinstance(error, AttributeError) and not _PLAIN.match(str(error)):
        return False
    # Wrong arguments that our code passes on are its own fault: it looks at what it is given.
    through_us = any(_is_ours(frame) for frame, _ in steps[builder + 1:])
    return _raises(frame, line) or not through_us and frame.f_code.co_filename.startswith(LIBRARIES)


def _wants_other_arguments(error: BaseException, builder: FrameType) -> bool:
    """Whether a class has no argument of a name that its part of the config sets, wherever that was passed on to."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    return isinstance(error, TypeError) and unknown is not None and unknown[1] in (_section(builder) or ())


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(PACKAGE)


def _raises(frame: FrameType, line: int) -> bool:
    """Whether a line raises on purpose."""
    return linecache.getline(frame.f_code.co_filename, line).lstrip().startswith(('raise ', 'assert '))


# ---- the part of the config


def _section(frame: FrameType) -> Any:
    """What is being built in a frame."""
    if _is_runner(frame):
        return None
    first = frame.f_code.co_varnames[1:2]  # after self
    name = 'cfg' if frame.f_code.co_name.endswith('_from_cfg') else ''.join(first)
    return frame.f_locals.get(name)


def _part(config: dict, sections: list[Any]) -> tuple[str, dict]:
    """Key and content of the innermost part of a config that is found in it again."""
    places = [(key, node) for key, node in _places(config) if isinstance(node, dict)]
    for section in sections:
        if isinstance(section, dict):
            alike = [(_alike(node, section), -len(key), key, node) for key, node in places]
            score, _, key, node = max(alike, key=lambda one: one[:2], default=(0, 0, '', {}))
            if score > 0:
                return key, node
    return '', {}


def _alike(node: dict, section: dict) -> float:
    """Fraction of the items of a part that a section has too, which may have lost or got some; 0 for another type."""
    if node.get('type') != section.get('type') and 'type' in section or not node:
        return 0
    same = sum(name in section and section[name] == value for name, value in node.items())
    return same / max(len(node), len(section)) if same else 0


def _places(node: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, value in items:
        below = f'{key}.{name}' if key else str(name)
        yield below, value
        yield from _places(value, below)


def _config(frames: list[FrameType]) -> dict:
    """The config of the command that is running."""
    for frame in frames:
        cfg = frame.f_locals.get('cfg')
        if hasattr(cfg, '_cfg_dict'):
            return cfg.to_dict()
    return {}


def options_of_command(frames: list[FrameType]) -> dict[str, Any]:
    """What ``--cfg-options`` gave to it."""
    for frame in frames:
        options = getattr(frame.f_locals.get('args'), 'cfg_options', None)
        if options:
            return options
    return {}


# ---- the sentence


def _values(key: str, section: dict, options: dict[str, Any], reason: str) -> str:
    """The values that the error is about, as ``key=value``: those named in the reason, or changed by options."""
    inside = {name: value for name, value in options.items()
              if key and (f'{name}.'.startswith(f'{key}.') or f'{key}.'.startswith(f'{name}.'))}
    named = {f'{key}.{name}': value for name, value in section.items() if _names(reason, str(name), value)}
    # Without a part, it is the whole config that was read.
    shown = {name: value for name, value in (inside if key else options).items()
             if _names(reason, name.split('.')[-1], value)}
    told = shown or inside or named
    if told:
        place = ', '.join(f'{name}={short(value)}' for name, value in told.items())
    else:
        place = f'{key} ({section["type"]})' if 'type' in section else key or 'The config cannot be used'
    others = ' '.join(f'{name}={short(value)}' for name, value in options.items() if name not in told)
    return f'{place} (with --cfg-options {others})' if others and not inside else place


def short(value: Any) -> str:
    """A value as far as it can be read in a sentence."""
    text = str(value)
    return text if len(text) <= LENGTH else f'{text[:LENGTH]}...'


def _names(reason: str, name: str, value: Any) -> bool:
    return name != 'type' and re.search(rf'\b{re.escape(name)}\b', reason) is not None or (
        isinstance(value, str) and len(value) > 2 and value in reason)


def _reason(error: BaseException, builder: FrameType) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    text = ' '.join(text.split())
    text, _, unknown = text.partition(' Please check whether the value of')
    if unknown:
        return text + _alternatives(builder)
    told = isinstance(error, ValueError) and text
    return text if told else f'{type(error).__name__}: {text}' if text else type(error).__name__


def _alternatives(builder: FrameType) -> str:
    """What a registry has in place of a name that it does not have."""
    registry, name = builder.f_locals.get('registry'), str(builder.f_locals.get('obj_type'))
    known = list(dict.fromkeys([*getattr(registry, 'module_dict', ()),
                                *getattr(getattr(registry, 'root', None), 'module_dict', ())]))
    similar = difflib.get_close_matches(name, known, 3, 0.5) or known[:8]
    return f' Known are, among others: {", ".join(similar)}.' if similar else ''
