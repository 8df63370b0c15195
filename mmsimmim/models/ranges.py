"""Ranges of the numbers that models are built from; others are refused with their name."""

from collections.abc import Sequence
from typing import Any


def require_whole(**values: Any) -> None:
    """ValueError unless each value is an integer, or a sequence of integers, of at least 1."""
    for name, value in values.items():
        numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        if not numbers or not all(_is_whole(number) and number >= 1 for number in numbers):
            raise ValueError(f'{name} must be at least 1, a whole number'
                             f'{" each" if numbers is value else ""}, got {value!r}')


def require_number(**values: Any) -> None:
    """ValueError unless each value is one integer of at least 1."""
    for name, value in values.items():
        if not _is_whole(value) or value < 1:
            raise ValueError(f'{name} must be at least 1, a whole number, got {value!r}')


def require_image_size(img_size: Any) -> None:
    """ValueError unless a size is None or one integer or two, in pixels, of at least 1."""
    if img_size is None:
        return
    require_whole(img_size=img_size)
    if isinstance(img_size, Sequence) and len(img_size) != 2:
        raise ValueError(f'img_size must be one size or two, height and width, got {img_size!r}')


def require_rates(**values: Any) -> None:
    """ValueError unless each value is a number from 0 to 1."""
    for name, value in values.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
            raise ValueError(f'{name} must be a number from 0 to 1, got {value!r}')


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
