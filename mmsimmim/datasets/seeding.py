"""Random draws that depend on the sample, not on the process or on earlier draws."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


class SampleIndex(int):
    """The index of a sample together with everything its random draws depend on.

    It is an ordinary ``int`` to datasets and data loaders, and keeps its key when it is pickled to a worker process.

    Args:
        value (int): Index into the dataset.
        key (tuple[int]): Non-negative integers, by convention (seed, epoch, index).

    Examples:
        >>> index = SampleIndex(3, key=(0, 12, 3))
        >>> [10, 11, 12, 13][index], index.key
        (13, (0, 12, 3))
    """

    key: tuple[int, ...]

    def __new__(cls, value: int, key: tuple[int, ...] = ()) -> 'SampleIndex':
        index = super().__new__(cls, value)
        index.key = key
        return index


def key_of(results: dict, who: str) -> tuple[int, ...]:
    """The key of a sample, which its random draws are a function of.

    Args:
        results (dict): With ``sample_idx`` (SampleIndex).
        who (str): Who asks, for the message.

    Raises:
        TypeError: The index carries no key, because the sampler is another one.
    """
    index = results.get('sample_idx')
    if not isinstance(index, SampleIndex):
        raise TypeError(f'{who} got an index without the epoch: it would draw the same crops and masks in every epoch. '
                        "Set sampler=dict(type='mmsimmim.SeededSampler', shuffle=True) in the data loader "
                        '(mmsimmim.SeededInfiniteSampler for loops counted in iterations). Wrappers such as '
                        f'RepeatDataset compute new indices and lose the epoch: place {who} without them.')
    return index.key


def seed_all(*key: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch (CPU) of this process from ``key``.

    Different keys give independent streams, (1, 0) and (0, 1) too.

    Args:
        *key (int): Non-negative integers.
    """
    # The length of the key counts too: without it SeedSequence takes (5,) and (5, 0) for the same.
    words = np.random.SeedSequence((len(key), *key)).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1:3])
    # Not torch.manual_seed: it also seeds CUDA, which a data loading worker must not touch.
    torch.default_generator.manual_seed(int(words[3]))


@contextmanager
def isolated_random_state(seed: int) -> Iterator[None]:
    """Seed the generators of this process, and restore their state afterwards.

    Args:
        seed (int): Not negative.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_all(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
