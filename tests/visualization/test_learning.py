"""Reconstructions of several moments in one picture."""

import numpy as np

from mmsimmim.visualization.learning import draw_learning
from mmsimmim.visualization.panels import GAP, LINE, draw_row, stack_rows


def sheet(values, side=192, height=None):
    """Tiles of the values 10 n, 10 n + 1, ...: original, masked, reconstruction, with visible pixels."""
    return stack_rows([
        draw_row([np.full((height or side, side, 3), 10 * value + tile, np.uint8) for tile in range(4)], note='a.jpg')
        for value in values])


def tile_values(picture, rows, columns, side=192):
    pitch = GAP + LINE + side + GAP
    assert picture.shape == (rows * pitch, GAP + columns * (side + GAP), 3)
    tiles = [[picture[row * pitch + GAP + LINE:][:side, GAP + column * (side + GAP):][:, :side]
              for column in range(columns)] for row in range(rows)]
    assert all((tile == tile[0, 0, 0]).all() for row in tiles for tile in row)
    return [[int(tile[0, 0, 0]) for tile in row] for row in tiles]


def test_each_row_is_an_image_and_its_reconstruction_at_each_moment():
    picture = draw_learning([sheet([1, 2]), sheet([3, 4]), sheet([5, 6])], ['after 1', 'after 5', 'after 9'])
    assert tile_values(picture, 2, 5) == [[10, 11, 12, 32, 52], [20, 21, 22, 42, 62]]


def test_no_more_than_four_images_are_shown():
    picture = draw_learning([sheet(range(6))] * 2, ['after 1', 'after 9'])
    assert [row[0] for row in tile_values(picture, 4, 4)] == [0, 10, 20, 30]


def test_sheets_that_are_not_of_the_same_square_images_make_none():
    assert draw_learning([], []) is None
    assert draw_learning([sheet([1], height=200)] * 2, ['a', 'b']) is None
    assert draw_learning([sheet([1]), sheet([1, 2])], ['a', 'b']) is None
    assert draw_learning([sheet([1]), sheet([1], side=224)], ['a', 'b']) is None
