"""Colours and panels."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import numpy as np
import pytest
import torch
from mmpretrain.models import ClsDataPreprocessor, SelfSupDataPreprocessor

from mmsimmim.visualization import draw_row, hide_masked, make_tiles, paste_visible, stack_rows, to_display
from mmsimmim.visualization.panels import GAP, LINE

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def normalise(preprocessor, stored):
    """What a model sees of an image (H, W, C) as a pipeline packs it."""
    inputs = torch.from_numpy(stored).permute(2, 0, 1)[None]
    return preprocessor(dict(inputs=inputs, data_samples=None))['inputs'][0]


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)


@pytest.mark.parametrize('preprocessor', [
    SelfSupDataPreprocessor(MEAN, STD, bgr_to_rgb=True),
    SelfSupDataPreprocessor(MEAN, STD, to_rgb=True),
    ClsDataPreprocessor(MEAN, STD, to_rgb=True),
    SelfSupDataPreprocessor(MEAN[::-1], STD[::-1]),
    SelfSupDataPreprocessor([100.0], [50.0]),
    SelfSupDataPreprocessor(),
], ids=['bgr_to_rgb', 'to_rgb', 'mmpretrain', 'stays_bgr', 'one_mean', 'not_normalised'])
def test_colours_come_back_exactly(rgb, preprocessor):
    bgr = np.ascontiguousarray(rgb[..., ::-1])

    shown = to_display(normalise(preprocessor, bgr), preprocessor)

    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, rgb)


def test_values_beyond_the_range_are_clipped_and_rounded():
    values = torch.tensor([-300.0, -0.6, 0.4, 0.6, 254.4, 300.0, float('nan')]).view(1, 1, 7).expand(3, 1, 7)
    shown = to_display(values, SelfSupDataPreprocessor())
    assert shown[0, :, 0].tolist() == [0, 0, 0, 1, 254, 255, 0]


@pytest.mark.parametrize('count, channels, expected', [
    (1, None, (0, 0, 0)),
    (2, None, (0, 0, 0)),
    (3, None, (2, 1, 0)),
    (5, None, (0, 1, 2)),
    (5, (4, 0, 2), (4, 0, 2)),
    (5, (3, ), (3, 3, 3)),
    (3, (0, 1, 2), (0, 1, 2)),
])
def test_channels_shown(count, channels, expected):
    image = torch.arange(count).float().view(count, 1, 1) * 10
    shown = to_display(image, SelfSupDataPreprocessor(), channels)
    assert shown[0, 0].tolist() == [10 * channel for channel in expected]


@pytest.mark.parametrize('channels', [(0, 1), (0, 1, 3), (-1, ), ()])
def test_channels_that_cannot_be_shown(channels):
    with pytest.raises(ValueError, match='one or three numbers from 0 to 2'):
        to_display(torch.zeros(3, 4, 4), SelfSupDataPreprocessor(), channels)


def test_masked_pixels_are_hidden_and_visible_ones_kept(rgb):
    mask = np.array([[1, 0, 0], [0, 1, 1]], dtype=np.uint8)
    masked = np.kron(mask, np.ones((4, 4))).astype(bool)

    hidden = hide_masked(rgb, mask)
    pasted = paste_visible(255 - rgb, rgb, mask)

    assert (hidden[masked] == 128).all()
    np.testing.assert_array_equal(hidden[~masked], rgb[~masked])
    np.testing.assert_array_equal(pasted[masked], 255 - rgb[masked])
    np.testing.assert_array_equal(pasted[~masked], rgb[~masked])


def test_mask_that_does_not_divide_the_picture(rgb):
    with pytest.raises(ValueError, match='mask of 3 x 3 does not divide a picture of 8 x 12'):
        hide_masked(rgb, np.ones((3, 3)))


def test_tiles_in_the_order_of_the_captions(rgb):
    preprocessor = SelfSupDataPreprocessor(MEAN, STD, bgr_to_rgb=True)
    image = normalise(preprocessor, np.ascontiguousarray(rgb[..., ::-1]))
    prediction = normalise(preprocessor, np.ascontiguousarray(255 - rgb[..., ::-1]))
    mask = torch.tensor([[1, 0, 1]], dtype=torch.uint8)

    original, hidden, predicted, pasted = make_tiles(image, mask, prediction.bfloat16().float(), preprocessor)

    np.testing.assert_array_equal(original, rgb)
    np.testing.assert_array_equal(hidden[:, 4:8], rgb[:, 4:8])
    assert (hidden[:, :4] == 128).all()
    np.testing.assert_allclose(predicted.astype(int), 255 - rgb.astype(int), atol=2)
    np.testing.assert_array_equal(pasted[:, 4:8], rgb[:, 4:8])
    np.testing.assert_array_equal(pasted[:, 8:], predicted[:, 8:])


def test_place_and_size_of_the_tiles(rgb):
    tiles = [rgb, 255 - rgb, rgb // 2, rgb]
    row = draw_row(tiles, captions=None, min_side=1)
    assert row.shape == (8 + 2 * GAP, GAP + 4 * (12 + GAP), 3)
    for i, tile in enumerate(tiles):
        left = GAP + i * (12 + GAP)
        np.testing.assert_array_equal(row[GAP:GAP + 8, left:left + 12], tile)
        assert (row[:, left - GAP:left] == 255).all()


def test_small_tiles_are_enlarged_by_a_whole_factor(rgb):
    row = draw_row([rgb], captions=None, min_side=17)
    np.testing.assert_array_equal(row[GAP:-GAP, GAP:-GAP], rgb.repeat(3, axis=0).repeat(3, axis=1))


def test_captions_and_note_stand_beside_the_tiles():
    tiles = [np.full((64, 100, 3), value, dtype=np.uint8) for value in (10, 20)]
    row = draw_row(tiles, captions=('left', ''), note='größe 日本', min_side=1)

    assert row.shape == (64 + 2 * GAP + 2 * LINE, GAP + 2 * (100 + GAP), 3)
    np.testing.assert_array_equal(row[GAP + LINE:GAP + LINE + 64, GAP:GAP + 100], tiles[0])
    above, below = row[GAP:GAP + LINE], row[GAP + LINE + 64:-GAP]
    assert above[:, GAP:GAP + 100].min() < 100 < 255 == above[:, GAP + 100:].min()
    assert below.min() < 100


def test_a_note_for_each_tile():
    tiles = [np.full((64, 100, 3), value, dtype=np.uint8) for value in (10, 20, 30)]
    row, left, right = (draw_row(tiles, captions=None, note=note, min_side=1) for note in (
        ('one', '', 'three'), 'one', ('', '', 'three')))
    assert row.shape == left.shape == (64 + 2 * GAP + LINE, GAP + 3 * (100 + GAP), 3)
    np.testing.assert_array_equal(row, np.minimum(left, right))
    below = row[GAP + 64:]
    assert below[:, GAP:GAP + 100].min() < 100 and below[:, GAP + 2 * (100 + GAP):].min() < 100
    assert (below[:, GAP + 100 + GAP:][:, :100] == 255).all()


def test_long_text_is_cut_at_its_beginning():
    tiles = [np.zeros((20, 60, 3), dtype=np.uint8)] * 2
    rows = [draw_row(tiles, captions=('a very long caption, much too long' + end, ''), min_side=1) for end in 'xy']
    assert (rows[0][:, GAP + 60:] == draw_row(tiles, captions=('', ''), min_side=1)[:, GAP + 60:]).all()
    assert (rows[0] != rows[1]).any()


def test_rows_of_different_width():
    narrow, wide = np.full((3, 5, 3), 7, dtype=np.uint8), np.full((4, 9, 3), 8, dtype=np.uint8)
    sheet = stack_rows([narrow, wide])
    assert sheet.shape == (7, 9, 3) and sheet.dtype == np.uint8
    assert (sheet[:3, :5] == 7).all() and (sheet[:3, 5:] == 255).all() and (sheet[3:] == 8).all()
