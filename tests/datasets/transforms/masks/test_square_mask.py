"""Square masks: shape, place, and what becomes of counts that are no squares."""

import collections
import itertools
import math

import numpy as np
import pytest

from mmsimmim.datasets import SquareMaskGenerator


def make(grid, count, position='random'):
    """Patches of one pixel."""
    return SquareMaskGenerator(grid, 1, 1, (count - 0.5) / math.prod(grid), position=position)


def box(cells):
    """First and last row and column with a masked cell, ends exclusive."""
    rows, cols = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    return rows[0], rows[-1] + 1, cols[0], cols[-1] + 1


def cut_out(cells):
    top, bottom, left, right = box(cells)
    return cells[top:bottom, left:right]


def draws(generator, count, seed=0):
    random = np.random.RandomState(seed)
    return [generator.draw_cells(random) for _ in range(count)]


@pytest.mark.parametrize('position', ['random', 'central'])
@pytest.mark.parametrize('ratio, side', [(0.11, 2), (0.25, 3), (0.44, 4)])
def test_counts_that_are_squares(position, ratio, side):
    generator = SquareMaskGenerator(192, 32, 4, ratio, position=position)
    for cells in draws(generator, 20):
        assert cut_out(cells).shape == (side, side) and cut_out(cells).all()


@pytest.mark.parametrize('count', range(1, 101))
def test_other_counts_are_the_largest_rectangle_and_part_of_a_line(count):
    largest = max(a * b for a, b in itertools.product(range(1, 11), repeat=2) if a * b <= count and abs(a - b) <= 1)
    for cells in draws(make((10, 10), count), 8):
        region = cut_out(cells)
        assert region.sum() == count and abs(region.shape[0] - region.shape[1]) <= 1
        assert full_rectangle(region) == largest
        missing = region.size - count
        if missing:
            line = next(line for line in (region[0], region[-1], region[:, 0], region[:, -1])
                        if (line == 0).sum() == missing)
            assert np.flatnonzero(np.diff(line.astype(int))).size == 1, 'the part of a line is in one piece, at an end'


def full_rectangle(region):
    """Cells of the largest full rectangle, found by trying all."""
    rows, cols = (list(itertools.combinations(range(side + 1), 2)) for side in region.shape)
    return max((bottom - top) * (right - left) for top, bottom in rows for left, right in cols
               if region[top:bottom, left:right].all())


def test_half_of_36():
    cells = SquareMaskGenerator(192, 32, 32, 0.5, position='central').draw(np.random)
    assert [''.join(map(str, row)) for row in cells] == ['000000', '011110', '011110', '011110', '011110', '011000']


@pytest.mark.parametrize('grid, count, shape, rectangle', [
    ((2, 10), 9, (2, 5), 8), ((10, 2), 9, (5, 2), 8), ((3, 10), 10, (3, 4), 9), ((1, 9), 5, (1, 5), 5),
    ((4, 10), 30, (4, 8), 28), ((2, 10), 20, (2, 10), 20), ((6, 7), 40, (6, 7), 36)])
def test_narrow_grids_are_filled_and_the_region_grows_along_them(grid, count, shape, rectangle):
    for cells in draws(make(grid, count), 20):
        region = cut_out(cells)
        assert region.shape == shape and region.sum() == count
        assert full_rectangle(region) == rectangle


@pytest.mark.parametrize('grid, count', [((6, 6), 4), ((6, 6), 9), ((7, 6), 9), ((6, 6), 18), ((6, 8), 22),
                                         ((9, 9), 40), ((48, 48), 1152), ((3, 12), 17)])
def test_central_regions_lie_in_the_middle_and_never_change(grid, count):
    first, *others = draws(make(grid, count, 'central'), 4)
    assert all(np.array_equal(first, other) for other in others)
    top, bottom, left, right = box(first)
    assert abs(top - (grid[0] - bottom)) <= 1 and abs(left - (grid[1] - right)) <= 1
    # As near the middle as any other whole number of cells would bring it.
    for axis, (low, high) in enumerate([(top, bottom), (left, right)]):
        if high - low < grid[axis]:
            middle = np.argwhere(first).mean(axis=0)[axis] - (grid[axis] - 1) / 2
            assert abs(middle) <= 0.5 + 1e-9


@pytest.mark.parametrize('grid, count', [((6, 6), 4), ((6, 6), 9), ((5, 9), 9)])
def test_random_squares_are_as_likely_at_every_place(grid, count):
    number = 6000
    side = math.isqrt(count)
    places = collections.Counter(box(cells)[::2] for cells in draws(make(grid, count), number))
    expected = {(y, x) for y in range(grid[0] - side + 1) for x in range(grid[1] - side + 1)}
    assert set(places) == expected
    share = 1 / len(expected)
    assert max(abs(seen / number - share) for seen in places.values()) < 5 * math.sqrt(share * (1 - share) / number)


def test_partial_lines_lie_at_every_side_and_end_alike():
    number = 8000
    forms = collections.Counter(cut_out(cells).tobytes() + bytes(cut_out(cells).shape)
                                for cells in draws(make((6, 6), 18), number))
    assert len(forms) == 8  # four sides, two ends
    assert max(abs(seen / number - 1 / 8) for seen in forms.values()) < 5 * math.sqrt(1 / 8 * 7 / 8 / number)


@pytest.mark.parametrize('position', ['middle', None, 0])
def test_unknown_position(position):
    with pytest.raises(ValueError, match=f"position must be 'random' or 'central', got {position!r}"):
        SquareMaskGenerator(position=position)
