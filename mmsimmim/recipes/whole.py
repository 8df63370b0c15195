"""Numbers that count something."""

from numbers import Integral
from typing import Any


def is_whole(value: Any) -> bool:
    """Whether it is a whole number from 1 on, of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
