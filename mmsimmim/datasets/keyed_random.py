"""Random numbers that are a function of a key: a few for one sample, or many for a batch in one call.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
Seeding NumPy's or PyTorch's generators takes longer than drawing a crop.
"""

from collections.abc import Sequence

import numpy as np

CROP, MASK = 1, 2  # purposes: each has its own numbers for the same key

_GOLDEN, _FIRST, _SECOND, _ALL = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 2**64 - 1


class KeyedRandom:
    """A stream of random numbers.

    Args:
        purpose (int): What they are for: streams of different purposes are unrelated.
        key (Sequence[int]): Non-negative integers. (1, 0) and (0, 1), (5, ) and (5, 0) are unrelated.

    Examples:
        >>> KeyedRandom(CROP, (0, 12, 3)).uniform(0.67, 1.0) == KeyedRandom(CROP, (0, 12, 3)).uniform(0.67, 1.0)
        True
    """

    def __init__(self, purpose: int, key: Sequence[int]) -> None:
        self._state = fold(purpose, key)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * ((self._next() >> 11) * 2.0**-53)

    def integer(self, count: int) -> int:
        """One of 0 .. count - 1, each as likely as any other (to 1 in 2**64 / count)."""
        return self._next() * count >> 64

    def _next(self) -> int:
        self._state = self._state + _GOLDEN & _ALL
        return _mix(self._state)


def fold(purpose: int, key: Sequence[int]) -> int:
    """One integer of 64 bits from a key.

    Args:
        purpose (int): See :class:`KeyedRandom`.
        key (Sequence[int]): Non-negative integers.
    """
    state = _mix(purpose + _GOLDEN & _ALL)
    for word in (len(key), *key):
        state = _mix((state ^ word) + _GOLDEN & _ALL)
    return state


def draw_table(purpose: int, keys: Sequence[Sequence[int]], count: int) -> np.ndarray:
    """The first numbers of many streams at once.

    Args:
        purpose (int): See :class:`KeyedRandom`.
        keys (Sequence[Sequence[int]]): B keys.
        count (int): Numbers for each.

    Returns:
        np.ndarray: uint64, (B, count). A row depends on its own key alone.
    """
    states = np.array([fold(purpose, key) for key in keys], dtype=np.uint64)
    numbers = states[:, None] + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    numbers = (numbers ^ numbers >> np.uint64(30)) * np.uint64(_FIRST)
    numbers = (numbers ^ numbers >> np.uint64(27)) * np.uint64(_SECOND)
    return numbers ^ numbers >> np.uint64(31)


def _mix(word: int) -> int:
    word = (word ^ word >> 30) * _FIRST & _ALL
    word = (word ^ word >> 27) * _SECOND & _ALL
    return word ^ word >> 31
