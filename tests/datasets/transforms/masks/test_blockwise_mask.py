"""Block-wise masks: the law of the blocks, and that every mask ends."""

import collections
import math
import random

import numpy as np
import pytest

from mmsimmim.datasets import BlockwiseMaskGenerator, SimMIMMaskGenerator
from mmsimmim.datasets.transforms.masks.blockwise_mask import TRIES


def make(grid, count, **arguments):
    """Patches of one pixel."""
    return BlockwiseMaskGenerator(grid, 1, 1, (count - 0.5) / math.prod(grid), **arguments)


def first_blocks(generator, number, seed=0):
    """(top, left, height, width) of the first block of masks."""
    source = np.random.RandomState(seed)
    empty = np.zeros(generator.grid, dtype=np.uint8)
    blocks = (generator.draw_block(empty, generator.mask_count, source) for _ in range(number))
    return [(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start) for rows, cols in blocks]


def plain_block(grid, least, largest, min_aspect, max_aspect, source):
    """Algorithm 1 of BEiT, the first block of a mask: its place and size."""
    while True:
        area = source.uniform(least, largest)
        aspect = math.exp(source.uniform(math.log(min_aspect), math.log(max_aspect)))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if height <= grid[0] and width <= grid[1] and height * width <= largest:
            return source.randrange(grid[0] - height + 1), source.randrange(grid[1] - width + 1), height, width


@pytest.mark.parametrize('aspects', [(0.3, None), (0.2, 0.8), (1, 4)])
def test_aspect_ratios_are_log_uniform_and_areas_uniform(aspects):
    number = 6000
    generator = make((200, 200), 3000, min_num_patches=400, max_num_patches=2400, min_aspect=aspects[0],
                     max_aspect=aspects[1])
    *_, heights, widths = np.array(first_blocks(generator, number)).T
    low, high = math.log(aspects[0]), math.log(aspects[1] or 1 / aspects[0])
    for values, (start, end) in [(np.log(heights / widths), (low, high)), (heights * widths, (400, 2400))]:
        # Five standard deviations. Rounding to whole patches moves no more than what 3 % of the range holds.
        counts = np.histogram(values.clip(start, end), bins=8, range=(start, end))[0]
        assert np.abs(counts / number - 1 / 8).max() < 5 * math.sqrt(1 / 8 * 7 / 8 / number)
        assert abs(values.mean() - (start + end) / 2) < 5 * (end - start) / math.sqrt(12 * number)
        assert values.min() > start - 0.03 * (end - start) and values.max() < end + 0.03 * (end - start)


@pytest.mark.parametrize('grid, count, least', [
    ((6, 6), 22, 3), ((12, 12), 87, 12), ((8, 5), 24, 3), ((14, 14), 75, 16)])
def test_first_blocks_are_those_of_the_plain_algorithm(grid, count, least):
    """Where rounding and the edges of the grid matter, sizes are compared one by one."""
    number = 20000
    generator = make(grid, count)
    assert generator.area_range == (least, count)
    ours = collections.Counter(block[2:] for block in first_blocks(generator, number))
    source = random.Random(0)
    plain = collections.Counter(
        plain_block(grid, least, count, 0.3, 1 / 0.3, source)[2:] for _ in range(number))
    assert len(plain) > 10
    for size in ours | plain:
        assert abs(ours[size] - plain[size]) < 5 * math.sqrt(ours[size] + plain[size]) + 1, size


@pytest.mark.parametrize('grid', [(6, 6), (4, 9)])
def test_blocks_lie_at_every_place_alike_the_last_row_and_column_included(grid):
    number = 6000
    generator = make(grid, 16, min_num_patches=4, max_num_patches=4, min_aspect=1)
    blocks = first_blocks(generator, number)
    assert {block[2:] for block in blocks} == {(2, 2)}
    places = collections.Counter(block[:2] for block in blocks)
    share = 1 / ((grid[0] - 1) * (grid[1] - 1))
    assert len(places) * share == pytest.approx(1)
    assert max(abs(seen / number - share) for seen in places.values()) < 5 * math.sqrt(share * (1 - share) / number)


def test_a_mask_of_one_block_is_a_rectangle():
    generator = make((20, 20), 36, min_num_patches=36, max_num_patches=36, min_aspect=1)
    for seed in range(10):
        rows, cols = np.nonzero(generator.draw_cells(np.random.RandomState(seed)))
        assert (np.ptp(rows) + 1, np.ptp(cols) + 1) == (6, 6)


@pytest.mark.parametrize('patch', [4, 8, 16, 32])
@pytest.mark.parametrize('ratio', [0.4, 0.6, 0.8])
def test_borders_are_much_shorter_than_those_of_random_masks(patch, ratio):
    source = np.random.RandomState(0)
    lengths = {
        cls: np.mean([border_length(cls(192, patch, patch, ratio).draw_cells(source)) for _ in range(200)])
        for cls in (BlockwiseMaskGenerator, SimMIMMaskGenerator)}
    assert lengths[BlockwiseMaskGenerator] < 0.6 * lengths[SimMIMMaskGenerator]


def border_length(cells):
    """Sides of cells between a masked and a visible one."""
    return sum(np.abs(np.diff(cells.astype(int), axis=axis)).sum() for axis in (0, 1))


class WorstCase:
    """Randomness without luck: always the least or the greatest that can be drawn. It counts its calls."""

    def __init__(self, high):
        self.high = high
        self.calls = 0

    def uniform(self, low, high):
        self.calls += 1
        return high if self.high else low

    def randint(self, end):
        self.calls += 1
        return end - 1 if self.high else 0

    def permutation(self, count):
        self.calls += 1
        return np.arange(count)[::-1 if self.high else 1]


@pytest.mark.parametrize('high', [False, True])
@pytest.mark.parametrize('grid', [(6, 6), (12, 12), (48, 48), (1, 40), (40, 1), (3, 30)])
def test_ends_without_luck(high, grid):
    for share in (0.1, 0.4, 0.6, 0.9, 1):
        count = math.ceil(share * math.prod(grid))
        source = WorstCase(high)
        assert make(grid, count).draw_cells(source).sum() == count
        # Each block masks a patch at least; then ten futile tries of four draws, then a ring or end after the other.
        assert source.calls <= 4 * TRIES * (count + 1) + count


@pytest.mark.parametrize('patch', [4, 8, 16, 32, 64])
def test_draws_are_few(patch):
    """Not only bounded: a mask of 60 % takes a few dozen tries, whatever the size of the grid."""
    generator = BlockwiseMaskGenerator(192, patch, 4, 0.6)
    source = Counting(np.random.RandomState(0))
    for _ in range(100):
        generator.draw_cells(source)
    assert source.calls / 100 < 200


class Counting:
    """A source of randomness that counts calls."""

    def __init__(self, source):
        self.source = source
        self.calls = 0

    def __getattr__(self, name):
        self.calls += 1
        return getattr(self.source, name)


def test_the_rest_is_taken_next_to_masked_patches():
    """No block fits upright into a single row: the mask grows from one patch, so it is one run."""
    generator = make((1, 50), 20, min_num_patches=20, min_aspect=1, max_aspect=1)
    for seed in range(20):
        masked = np.flatnonzero(generator.draw_cells(np.random.RandomState(seed)))
        assert len(masked) == 20 and masked[-1] - masked[0] == 19


@pytest.mark.parametrize('size, patch, expected', [
    (224, 16, 16), (192, 32, 3), (192, 16, 12), (192, 64, 1), ((64, 32), 32, 1)])
def test_smallest_block_is_beits_share_of_the_grid(size, patch, expected):
    assert BlockwiseMaskGenerator(size, patch, 4).area_range[0] == expected


def test_smallest_block_gives_way_to_the_largest():
    assert BlockwiseMaskGenerator(224, 16, 4, max_num_patches=5).area_range == (5, 5)
    assert BlockwiseMaskGenerator(64, 32, 4, 0.5, min_num_patches=9).area_range == (2, 2)


@pytest.mark.parametrize('arguments, message', [
    (dict(min_num_patches=0), 'min_num_patches must be None or an integer above 0, got 0'),
    (dict(min_num_patches=2.5), 'min_num_patches must be .*got 2.5'),
    (dict(max_num_patches=-1), 'max_num_patches must be .*got -1'),
    (dict(max_num_patches=True), 'max_num_patches must be .*got True'),
    (dict(min_num_patches=5, max_num_patches=4), 'min_num_patches 5 must not be above max_num_patches 4'),
    (dict(min_aspect=0), 'min_aspect must be a number above 0, height / width, got 0'),
    (dict(min_aspect=None), 'min_aspect must be .*got None'), (dict(min_aspect='1'), "min_aspect must be .*got '1'"),
    (dict(min_aspect=float('nan')), 'min_aspect must be .*got nan'),
    (dict(max_aspect=0), 'max_aspect must be None or a number above 0, height / width, got 0'),
    (dict(max_aspect=math.inf), 'max_aspect must be .*got inf'),
    (dict(min_aspect=2), 'min_aspect 2 must not be above max_aspect, 1 / min_aspect'),
    (dict(min_aspect=0.5, max_aspect=0.4), 'min_aspect 0.5 must not be above max_aspect, 0.4')])
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BlockwiseMaskGenerator(**arguments)
