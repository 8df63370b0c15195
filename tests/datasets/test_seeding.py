"""A sample's random draws depend on (seed, epoch, index) and on nothing else."""

import itertools
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, DefaultSampler, InfiniteSampler
from mmengine.runner import Runner

from mmsimmim.datasets import SeededInfiniteSampler, SeededSampler, SeedSample
from mmsimmim.datasets.seeding import SampleIndex, seed_all


def draw(results):
    """One number of each generator that a transform may use."""
    return dict(index=int(results['sample_idx']), draws=(random.random(), np.random.rand(), torch.rand(()).item()))


class Numbers(BaseDataset):

    def load_data_list(self):
        return [dict(number=i) for i in range(12)]


def epochs(count=2, seed=0, start=0, **loader):
    """{index: draws} of each epoch, read through MMEngine's data loader."""
    dataset = Numbers(pipeline=[SeedSample(), draw])
    loader = {**dict(num_workers=0, batch_size=3), **loader}
    dataloader = Runner.build_dataloader(
        dict(dataset=dataset, sampler=dict(type='mmsimmim.SeededSampler', shuffle=True), **loader), seed=seed)
    read = []
    for epoch in range(start, start + count):
        dataloader.sampler.set_epoch(epoch)
        read.append({index: draws for batch in dataloader
                     for index, draws in zip(batch['index'], zip(*batch['draws']))})
    return read


REFERENCE = epochs()


@pytest.mark.parametrize('loader', [
    dict(num_workers=1), dict(num_workers=2), dict(num_workers=2, persistent_workers=True), dict(batch_size=5)])
def test_same_draws_for_any_loader(loader):
    assert epochs(**loader) == REFERENCE


def test_same_draws_when_resumed_at_a_later_epoch():
    assert epochs(count=1, start=1) == REFERENCE[1:]


def test_draws_differ_between_images_epochs_seeds_and_generators():
    all_draws = [number for run in (REFERENCE, epochs(seed=1)) for epoch in run for draws in epoch.values()
                 for number in draws]
    assert len(all_draws) == 2 * 2 * 12 * 3 == len(set(all_draws))


def test_ranks_share_the_samples_and_their_draws(monkeypatch):
    read = []
    for rank in range(2):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        read.append(epochs(count=1)[0])
    assert not set(read[0]) & set(read[1])
    assert {**read[0], **read[1]} == REFERENCE[0]


def test_seeded_samplers_keep_the_order_of_mmengines():
    data = list(range(10))
    ours, theirs = SeededSampler(data, seed=3), DefaultSampler(data, seed=3)
    for sampler in (ours, theirs):
        sampler.set_epoch(2)
    assert list(ours) == list(theirs) and len(ours) == 10
    ours, theirs = (iter(kind(data, seed=3)) for kind in (SeededInfiniteSampler, InfiniteSampler))
    assert [next(ours) for _ in range(35)] == [next(theirs) for _ in range(35)]


def test_an_endless_stream_counts_its_passes_as_epochs():
    stream = iter(SeededInfiniteSampler(list(range(4)), shuffle=False, seed=7))
    assert [next(stream).key for _ in range(6)] == [(7, 0, 0), (7, 0, 1), (7, 0, 2), (7, 0, 3), (7, 1, 0), (7, 1, 1)]


@pytest.mark.parametrize('world_size', [1, 2])
@pytest.mark.parametrize('count', [0, 1, 5, 6, 17])
def test_an_endless_stream_that_begins_later_is_the_same(monkeypatch, world_size, count):
    monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (world_size - 1, world_size))
    whole, later = (SeededInfiniteSampler(list(range(6)), seed=3) for _ in range(2))
    expected = [(index, index.key) for index in itertools.islice(whole, count, count + 12)]
    next(iter(later))
    later.skip(count)
    assert [(index, index.key) for index in itertools.islice(later, 12)] == expected


def test_the_index_is_a_plain_number_and_survives_pickling():
    index = pickle.loads(pickle.dumps(SampleIndex(2, key=(1, 2, 3))))
    assert index == 2 and [5, 6, 7][index] == 7 and index.key == (1, 2, 3)


def test_keys_of_different_lengths_differ():
    numbers = []
    for key in ((5, ), (5, 0), (0, 5), (5, 0, 0)):
        seed_all(*key)
        numbers.append(np.random.rand())
    assert len(set(numbers)) == 4


def test_a_sampler_without_epochs_is_refused():
    with pytest.raises(TypeError, match='SeededSampler'):
        SeedSample()(dict(sample_idx=3))
