"""Numbers of classes of the heads of a model and of the data."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from .report import some

# Heads whose classes are not those of the labels, by name and by type: objects or not, a stuff branch, borders.
OTHER_NAMES = ('rpn_head', 'semantic_head')
OTHER_TYPES = ('RPNHead', 'STDCHead')


def find_heads(model: Any, key: str = 'model') -> dict[str, int]:
    """Find all heads with classes in a model of mmpretrain, mmdet or mmseg.

    Args:
        model (nn.Module | dict): The model or its config.
        key (str): Its name in the config. Defaults to 'model'.

    Returns:
        dict[str, int]: Number of classes by the key that sets it, such as 'model.roi_head.bbox_head.0.num_classes'. A
        head of mmseg with a single output channel tells two classes apart.
    """
    name = next((part for part in reversed(key.split('.')) if not part.isdigit()), '')
    found = _read_head(model, key) if name.endswith('head') and name not in OTHER_NAMES else {}
    for child, part in _children(model):
        found.update(find_heads(part, f'{key}.{child}'))
    return found


def _read_head(head: Any, key: str) -> dict[str, int]:
    kind = str(head.get('type') if isinstance(head, dict) else type(head).__name__)
    if _get(head, 'num_classes') is None or _get(head, 'class_agnostic') or kind.endswith(OTHER_TYPES):
        return {}
    if _get(head, 'out_channels') == 1 and _get(head, 'channels') is not None:
        return {f'{key}.num_classes (with out_channels=1)': 2}
    return {f'{key}.num_classes': _get(head, 'num_classes')}


def _get(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, dict) else getattr(part, name, None)


def _children(part: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(part, nn.Module):
        yield from part.named_children()
    elif isinstance(part, dict):
        yield from ((name, value) for name, value in part.items() if isinstance(value, (dict, list, tuple)))
    elif isinstance(part, (list, tuple)):
        yield from ((str(i), value) for i, value in enumerate(part) if isinstance(value, dict))


def describe_heads(heads: dict[str, int], classes: Sequence[str], what: str) -> str:
    """Compare the heads with the classes of the data.

    Args:
        heads (dict[str, int]): Number of classes by key.
        classes (Sequence[str]): Those of the data.
        what (str): Which data, such as 'training'.

    Returns:
        str: What is wrong and what to set, without a full stop; '' if the numbers are equal.
    """
    wrong = {key: number for key, number in heads.items() if number != len(classes)}
    if not wrong:
        return ''
    return (f'The {what} data has {len(classes)} classes ({some(classes, 5)}), but '
            f'{" and ".join(f"{key} is {number}" for key, number in wrong.items())}. Set num_classes={len(classes)} '
            'there')
