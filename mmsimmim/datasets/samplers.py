"""Samplers whose indices know the run's seed and the epoch."""

import itertools
from collections.abc import Iterator

import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler

from ..registry import DATA_SAMPLERS
from .seeding import SampleIndex


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """MMEngine's ``DefaultSampler`` (same order, same share for each rank) that yields :class:`SampleIndex`.

    With :class:`SeedSample` first in the pipeline the random draws of a sample depend on (seed, epoch, index) alone:
    not on the number of workers or ranks, not on whether workers live on between epochs, and not on whether the run
    was interrupted.

    Args:
        dataset (Sized): The dataset.
        shuffle (bool): Whether to draw a new order in every epoch. Defaults to True.
        seed (int, optional): The same in all processes; the Runner passes the run's own. Defaults to None: drawn.
        round_up (bool): Whether to repeat samples so that all ranks have equally many. Defaults to True.
    """

    def __iter__(self) -> Iterator[SampleIndex]:
        seed, epoch = self.seed, self.epoch
        for index in super().__iter__():
            yield SampleIndex(index, key=(seed, epoch, index))


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(InfiniteSampler):
    """The same for iteration-based loops: an infinite stream in which each pass over the data is an epoch.

    Args:
        dataset (Sized): The dataset.
        shuffle (bool): Whether to draw a new order in every pass. Defaults to True.
        seed (int, optional): The same in all processes; the Runner passes the run's own. Defaults to None: drawn.
    """

    _skipped = 0

    def skip(self, count: int) -> None:
        """Restart the stream after the first samples of this process, without drawing them.

        Args:
            count (int): How many to leave out.
        """
        self._skipped = count * self.world_size
        self.indices = self._indices_of_rank()

    def _infinite_indices(self) -> Iterator[SampleIndex]:
        generator = torch.Generator()
        generator.manual_seed(self.seed)
        epochs, begin = divmod(self._skipped, self.size)
        for epoch in itertools.count():
            order = torch.randperm(self.size, generator=generator) if self.shuffle else torch.arange(self.size)
            if epoch >= epochs:
                for index in order[begin if epoch == epochs else 0:].tolist():
                    yield SampleIndex(index, key=(self.seed, epoch, index))
