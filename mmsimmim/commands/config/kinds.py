"""Options of another kind than what they replace: a word for a number, which most code takes as true, or drops."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ...errors import UserError
from .options import MISSING, value_at

# Settings of OpenMMLab that take a switch or a number, and a word as well.
WORDS_TOO = frozenset({'add_extra_convs', 'compile', 'efficient_conv_bn_eval', 'loss_scale'})


def check_kinds(cfg: Config, options: dict[str, Any]) -> None:
    """Make sure that options can stand where they are put.

    Args:
        cfg (Config): Before the options are merged.
        options (dict): Values by full key.

    Raises:
        UserError: An option is for a part of something that has none, for one item of a list of values, or a word or a
            number for a switch, a word or a switch for a number.
    """
    for key, value in options.items():
        for above, node in _above(cfg, key):
            if not isinstance(node, (dict, list, tuple, Config)) and not _is_replaced(above, options):
                raise UserError(f'--cfg-options {key}={value}: {above}={node} has no parts. Set {above}, or put '
                                f'{above}._delete_=True before this to replace it.')
        before = value_at(cfg, key)
        _check_item(cfg, key, value)
        if key.split('.')[-1] not in WORDS_TOO:
            _check_kind(key, value, before)


def _above(cfg: Config, key: str) -> Iterator[tuple[str, Any]]:
    names = key.split('.')
    for count in range(1, len(names)):
        above = '.'.join(names[:count])
        if (node := value_at(cfg, above)) is not MISSING:
            yield above, node


def _is_replaced(key: str, options: dict[str, Any]) -> bool:
    """Whether an option puts something else there, or there is nothing."""
    return any(f'{key}.'.startswith(f'{other}.') for other in options) or options.get(f'{key}._delete_') is True


def _check_item(cfg: Config, key: str, value: Any) -> None:
    above, _, name = key.rpartition('.')
    items = value_at(cfg, above) if above else None
    if not isinstance(items, (list, tuple)):
        return
    whole = f'Give the whole list: {above}=[{",".join(map(str, items))}]' if all(
        isinstance(item, (int, float, str)) for item in items) else f'Set its keys: {key}.KEY=VALUE'
    if not name.isdigit() or int(name) > len(items):
        raise UserError(f'--cfg-options {key}={value}: {above} is a list of {len(items)}, the parts of which are '
                        'numbered from 0.')
    if not isinstance(value, dict):
        raise UserError(f'--cfg-options {key}={value}: one item of a list cannot be replaced. {whole}.')


def _check_kind(key: str, value: Any, before: Any) -> None:
    if isinstance(before, bool) and not isinstance(value, (bool, dict, type(None))):
        raise UserError(f'{key}={value}: the config has {before} here. Give True or False.')
    if _is_number(before) and (isinstance(value, (str, bool)) or _words(value)):
        raise UserError(f'{key}={value}: the config has {before} here. Give a number.')
    if isinstance(before, (list, tuple)) and before and all(map(_is_number, before)) and (
            isinstance(value, (str, bool)) or _words(value)):
        raise UserError(f'{key}={value}: the config has {list(before)} here. Give numbers.')


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _words(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(isinstance(item, (str, bool)) for item in value)
