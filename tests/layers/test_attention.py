"""Windowed attention against a loop over windows and tokens."""

import math

import pytest
import torch

from mmsimmim.layers import ShiftedWindowAttention, WindowAttention, window_partition, window_reverse


def attention(window, shift):
    return ShiftedWindowAttention(WindowAttention(channels=4, num_heads=2, window_size=window), window, shift)


def attend_naively(layer, x):
    """Every token attends to those that share its window and, before the shift, its side of the border."""
    _, height, width, channels = x.shape
    window, shift, heads = layer.window_size, layer.shift, layer.w_msa.num_heads
    padded_height, padded_width = math.ceil(height / window) * window, math.ceil(width / window) * window
    padded = torch.zeros(padded_height, padded_width, channels, dtype=x.dtype)
    padded[:height, :width] = x[0]
    qkv = layer.w_msa.qkv(padded).reshape(padded_height, padded_width, 3, heads, channels // heads)
    out = torch.zeros_like(padded)

    def place(position, size):
        rolled = (position - shift) % size
        region = 0 if rolled < size - window else 1 if rolled < size - shift else 2
        return rolled // window, region if shift else 0

    tokens = [(i, j) for i in range(padded_height) for j in range(padded_width)]
    places = {(i, j): (place(i, padded_height), place(j, padded_width)) for i, j in tokens}
    for i, j in tokens:
        mates = [other for other in tokens
                 if (places[other][0][0], places[other][1][0]) == (places[i, j][0][0], places[i, j][1][0])]
        for head in range(heads):
            logits = []
            for row, col in mates:
                down = (i - shift) % padded_height % window - (row - shift) % padded_height % window + window - 1
                right = (j - shift) % padded_width % window - (col - shift) % padded_width % window + window - 1
                bias = layer.w_msa.relative_position_bias_table[down * (2 * window - 1) + right, head]
                apart = 0 if places[row, col] == places[i, j] else -100
                logits.append(qkv[i, j, 0, head] @ qkv[row, col, 1, head] * (channels // heads)**-0.5 + bias + apart)
            weights = torch.stack(logits).softmax(0)
            values = torch.stack([qkv[row, col, 2, head] for row, col in mates])
            out[i, j].view(heads, -1)[head] = weights @ values
    return layer.w_msa.proj(out)[:height, :width]


@pytest.mark.parametrize('shift', [0, 1])
@pytest.mark.parametrize('size', [(6, 6), (4, 7), (2, 3)])
def test_equals_a_loop_over_tokens(size, shift):
    torch.manual_seed(0)
    layer = attention(3, shift).double()
    torch.nn.init.normal_(layer.w_msa.relative_position_bias_table)
    x = torch.randn(2, *size, 4, dtype=torch.float64)
    with torch.no_grad():
        out = layer(x)
        for image in range(2):
            torch.testing.assert_close(out[image], attend_naively(layer, x[image:image + 1]))


def test_partition_and_reverse():
    x = torch.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    windows = window_partition(x, 2)
    assert windows.shape == (2, 6, 4, 3)
    assert torch.equal(windows[1, 4], x[1, 2:4, 2:4].reshape(4, 3))
    assert torch.equal(window_reverse(windows, 2, 4, 6), x)


def test_masks_cached_without_gradients_serve_training():
    layer = attention(3, 1)
    x = torch.randn(1, 9, 9, 4)
    with torch.inference_mode():
        layer(x)
    layer(x).sum().backward()
    assert layer.w_msa.relative_position_bias_table.grad.abs().sum() > 0


def test_files_with_other_windows_and_index_buffers_load():
    source = attention(6, 3)
    state = dict(source.state_dict(), **{'w_msa.relative_position_index': torch.zeros(36, 36)})
    layer = attention(7, 3)
    layer.load_state_dict(state)
    assert source.w_msa.relative_position_bias_table.shape == state['w_msa.relative_position_bias_table'].shape
    with pytest.raises(ValueError, match='w_msa.relative_position_bias_table: .* got 120'):
        layer.load_state_dict(dict(state, **{'w_msa.relative_position_bias_table': torch.zeros(120, 2)}))
