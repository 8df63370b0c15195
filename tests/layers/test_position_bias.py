"""Index tables and resized bias tables against the official numbers."""

import pytest
import torch
import torch.nn.functional as F

from mmsimmim.layers import log_spaced_offsets, relative_position_index, resize_bias_table
from mmsimmim.layers.position_bias import geometric_positions, spline_weights
from tests.golden import below, load, relative_error

RESIZED = below(load('finetune.npz'), 'bias_resize/')


@pytest.mark.parametrize('case', sorted({name.split('/')[0] for name in RESIZED}))
def test_geometric_resize_equals_official(case):
    table, expected = RESIZED[f'{case}/in'], RESIZED[f'{case}/out']
    assert relative_error(resize_bias_table(table, len(expected)), expected) < 1e-6


def test_geometric_positions_of_the_paper_window():
    positions = geometric_positions(11, 13)
    expected = [1, 2.0913, 3.2822, 4.5818, 6.0]
    torch.testing.assert_close(positions[6:], torch.tensor(expected, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(positions, -positions.flip(0))


def test_spline_reproduces_cubics_and_clamps_outside():
    def cubic(x):
        return 2 * x**3 - x**2 + 3

    knots = torch.tensor([-4., -2.5, -1, 0, 0.5, 2, 5], dtype=torch.float64)
    queries = torch.linspace(-6, 6, 31, dtype=torch.float64)
    expected = cubic(queries.clamp(-4, 5))
    torch.testing.assert_close(spline_weights(knots, queries) @ cubic(knots), expected)


@pytest.mark.parametrize('window', [1, 2, 3])
def test_tiny_windows_can_be_resized(window):
    table = torch.full(((2 * window - 1)**2, 2), 3., dtype=torch.float64)
    torch.testing.assert_close(resize_bias_table(table, 13**2), torch.full((169, 2), 3., dtype=torch.float64))


def test_bicubic_resize_is_interpolation_of_an_image():
    table = torch.randn(11 * 11, 3)
    image = F.interpolate(table.T.reshape(1, 3, 11, 11), size=(13, 13), mode='bicubic')
    torch.testing.assert_close(resize_bias_table(table, 169, 'bicubic'), image.reshape(3, 169).T)


def test_tables_that_fit_are_returned_and_dtype_is_kept():
    table = torch.randn(11 * 11, 3, dtype=torch.bfloat16)
    assert resize_bias_table(table, 121) is table
    assert resize_bias_table(table, 169).dtype == torch.bfloat16


@pytest.mark.parametrize('rows, wanted, mode', [(120, 169, 'geometric'), (121, 144, 'geometric'), (121, 169, 'cubic')])
def test_what_is_no_table_is_refused(rows, wanted, mode):
    with pytest.raises(ValueError):
        resize_bias_table(torch.zeros(rows, 1), wanted, mode)


def test_index_by_definition():
    height, width = 2, 3
    index = relative_position_index(height, width)
    for query in range(height * width):
        for key in range(height * width):
            row = query // width - key // width + height - 1
            col = query % width - key % width + width - 1
            assert index[query, key] == row * (2 * width - 1) + col


@pytest.mark.parametrize('stage, window', [(0, 6), (3, 3)])
def test_log_spaced_offsets_equal_official(stage, window):
    expected = load('simmim_swinv2.npz')[f'param/encoder.layers.{stage}.blocks.0.attn.relative_coords_table']
    assert relative_error(log_spaced_offsets(window).double(), expected.flatten(0, 2)) < 1e-6


def test_log_spaced_offsets_are_shares_of_the_pretrained_window():
    offsets = log_spaced_offsets(14, 12).reshape(27, 27, 2)
    assert offsets.dtype == torch.float32
    torch.testing.assert_close(offsets[13 + 11, 13], torch.tensor([9., 1.]).log2() / 3)
    torch.testing.assert_close(offsets[0, 13 + 1], torch.tensor([-(1 + 8 * 13 / 11), 1 + 8 / 11]).abs().log2() / 3
                               * torch.tensor([-1, 1]))
    assert log_spaced_offsets(1).tolist() == [[0, 0]]
