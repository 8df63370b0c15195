"""Masks of a whole batch: each a function of its own key, uniform, exact in count."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from mmsimmim.datasets import BlockwiseMaskGenerator, SimMIMMaskGenerator, SquareMaskGenerator

KEYS = [(0, epoch, index) for epoch in range(4) for index in range(250)]
ALL = [SimMIMMaskGenerator, SquareMaskGenerator, BlockwiseMaskGenerator]


@pytest.mark.parametrize('kind', ALL)
@pytest.mark.parametrize('ratio', [0.01, 0.6, 1.0])
def test_count_and_layout(kind, ratio):
    generator = kind((64, 192), mask_patch_size=16, model_patch_size=4, mask_ratio=ratio)
    masks = generator.draw_batch(KEYS[:20])
    assert masks.shape == (20, 16, 48) and masks.dtype == np.uint8 and set(np.unique(masks)) <= {0, 1}
    cells = masks.reshape(20, 4, 4, 12, 4).transpose(0, 1, 3, 2, 4).reshape(20, 48, 16)
    assert np.array_equal(cells.min(2), cells.max(2))
    assert (cells.max(2).sum(1) == generator.mask_count).all()


@pytest.mark.parametrize('kind', ALL)
def test_a_mask_depends_on_its_own_key_alone(kind):
    generator = kind()
    np.random.seed(0)
    masks = generator.draw_batch(KEYS[:8])
    assert np.array_equal(generator.draw_batch(KEYS[7::-1]), masks[::-1])
    assert all(np.array_equal(generator.draw_batch([key])[0], mask) for key, mask in zip(KEYS, masks))
    assert len({mask.tobytes() for mask in masks}) > 1
    for other in ((1, 0, 0), (0, 0, 0, 1), (0, 1, 0)):
        assert not np.array_equal(generator.draw_batch([other])[0], masks[0])
    after = np.random.rand()
    np.random.seed(0)
    assert np.random.rand() == after, "NumPy's own generator is left alone"


def test_random_masks_are_uniform_over_all_subsets():
    generator = SimMIMMaskGenerator(6, mask_patch_size=2, model_patch_size=2, mask_ratio=0.4)
    keys = [(3, epoch, index) for epoch in range(20) for index in range(1260)]
    cells = generator.draw_batch(keys).reshape(-1, 9)
    codes = cells @ (1 << np.arange(9))
    counts = np.array([(codes == sum(1 << i for i in subset)).sum() for subset in combinations(range(9), 4)])
    assert generator.mask_count == 4 and len(counts) == comb(9, 4) and counts.sum() == len(keys)
    expected = len(keys) / len(counts)
    # chi-square with 125 degrees of freedom: one in a million lies above 206
    assert ((counts - expected)**2 / expected).sum() < 206


def test_every_patch_and_pair_is_as_likely_as_any_other():
    cells = SimMIMMaskGenerator(192, 32, 32).draw_batch(KEYS).reshape(-1, 36).astype(float)
    share = 22 / 36
    assert np.abs(cells.mean(0) - share).max() < 5 * np.sqrt(share * (1 - share) / len(KEYS))
    together = (cells.T @ cells / len(KEYS))[~np.eye(36, dtype=bool)]
    pair = share * 21 / 35
    assert np.abs(together - pair).max() < 5 * np.sqrt(pair * (1 - pair) / len(KEYS))
