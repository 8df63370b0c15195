"""Windowed attention against a loop over windows and tokens."""

import itertools
import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from mmsimmim.layers import (
    CosineWindowAttention,
    ShiftedWindowAttention,
    WindowAttention,
    window_partition,
    window_reverse,
)
from mmsimmim.layers import attention as attention_file
from mmsimmim.layers import windows as windows_file
from mmsimmim.layers.tensor_cache import TensorCache


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


def test_masks_are_kept_within_bytes(monkeypatch):
    layer, x = attention(3, 1), torch.randn(1, 9, 9, 4)
    expected, size = layer(x), 4 * 9 * 9 * 9
    for most, kept in ((2 * size, 1), (2 * size - 1, 0)):
        masks = TensorCache(most)
        monkeypatch.setattr(windows_file, 'MASKS', masks)
        assert torch.equal(layer(x), expected)
        assert torch.equal(layer(x), expected)
        assert len(masks) == kept
    masks = TensorCache(4 * size)
    monkeypatch.setattr(windows_file, 'MASKS', masks)
    for side in (9, 6, 12, 9, 15, 9):  # 15 is larger than half, 9 stays as it is used again and again
        with torch.no_grad():
            layer(torch.randn(1, side, side, 4))
        assert masks.nbytes <= 4 * size
    assert [key[0] for key in masks._tensors] == [6, 12, 9]


def pass_of_fakes(layer, x):
    with FakeTensorMode(allow_non_fake_inputs=True):
        layer(torch.empty_like(x))


def pass_of_functional_tensors(layer, x):
    torch.func.functionalize(layer)(x)


def pass_in_a_trace(layer, x):
    make_fx(layer, tracing_mode='fake', _allow_non_fake_inputs=True)(x)


def pass_with_gradients_of_functions(layer, x):
    layer.requires_grad_(False)
    torch.func.grad(lambda x: layer(x).sum())(x)


@pytest.mark.parametrize('other_pass', [
    pass_of_fakes, pass_of_functional_tensors, pass_in_a_trace, pass_with_gradients_of_functions])
@pytest.mark.parametrize('first', [True, False])
def test_passes_without_numbers_and_real_ones_do_not_meet(monkeypatch, other_pass, first):
    """Neither does such a pass leave its masks to a real one, nor does it take a real one's."""
    layer, x = attention(3, 1), torch.randn(1, 9, 9, 4)
    monkeypatch.setattr(windows_file, 'MASKS', TensorCache(2**20))
    expected = layer(x).detach()
    if first:
        windows_file.MASKS.clear()
    other_pass(layer, x)
    assert len(windows_file.MASKS) == (0 if first else 1)
    torch.testing.assert_close(layer(x), expected)


def test_files_with_other_windows_and_index_buffers_load():
    source = attention(6, 3)
    state = dict(source.state_dict(), **{'w_msa.relative_position_index': torch.zeros(36, 36)})
    layer = attention(7, 3)
    layer.load_state_dict(state)
    assert source.w_msa.relative_position_bias_table.shape == state['w_msa.relative_position_bias_table'].shape
    with pytest.raises(ValueError, match='w_msa.relative_position_bias_table: .* got 120'):
        layer.load_state_dict(dict(state, **{'w_msa.relative_position_bias_table': torch.zeros(120, 2)}))


def cosine_attention(window=3, pretrained=0, logit_scale=3., std=0.5):
    torch.manual_seed(0)
    layer = CosineWindowAttention(channels=8, num_heads=2, window_size=window, pretrained_window_size=pretrained)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=std)
    torch.nn.init.constant_(layer.logit_scale, logit_scale)
    return layer


@pytest.mark.parametrize('logit_scale', [3., 6.])
@pytest.mark.parametrize('pretrained', [0, 2, 5])
def test_cosine_attention_equals_a_loop_over_pairs(pretrained, logit_scale):
    layer = cosine_attention(3, pretrained, logit_scale).double()
    windows = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    mask = torch.where(torch.rand(4, 9, 9) < 0.3, -100., 0.)
    bias = torch.cat([layer.q_bias, torch.zeros(8), layer.v_bias])
    query, key, value = (windows @ layer.qkv.weight.T + bias).unflatten(-1, (3, 2, 4)).unbind(3)
    largest = (pretrained or 3) - 1
    out = torch.zeros(2, 4, 9, 2, 4, dtype=torch.float64)
    for image, window, i, head in itertools.product(range(2), range(4), range(9), range(2)):
        logits = []
        for j in range(9):
            offsets = torch.tensor([i // 3 - j // 3, i % 3 - j % 3], dtype=torch.float64) * 8 / largest
            offsets = offsets.sign() * (1 + offsets.abs()).log2() / math.log2(8)
            cosine = torch.cosine_similarity(query[image, window, i, head], key[image, window, j, head], dim=0)
            logits.append(min(math.exp(logit_scale), 100) * cosine + 16 * layer.cpb_mlp(offsets)[head].sigmoid()
                          + mask[window, i, j])
        out[image, window, i, head] = torch.stack(logits).softmax(0) @ value[image, window, :, head]
    torch.testing.assert_close(layer(windows, mask), layer.proj(out.flatten(3)), rtol=1e-5, atol=1e-6)


def test_cosine_attention_stays_close_in_half_precision():
    """At the largest scale; PyTorch 2.4 rounds the logits, too, which newer ones keep in float32."""
    layer = cosine_attention(8, logit_scale=math.log(100))
    windows = torch.randn(2, 4, 64, 8)
    expected = layer(windows)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = layer(windows)
    assert (out - expected).norm() / expected.norm() < 0.06


def test_small_biases_survive_half_precision():
    """At the start of training they differ by less than half precision can tell apart near 8, their middle."""
    layer = cosine_attention(8, std=0.02)
    expected = layer.position_bias(64)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        bias = layer.position_bias(64)
    assert torch.equal(bias, expected)
    spread = (bias - bias.mean((1, 2), keepdim=True)).norm()
    assert (bias.bfloat16() - bias).norm() / spread < 0.01


def test_cosine_attention_takes_parameters_in_half_precision_beside_float32_buffers():
    """As in sharded training with mixed precision."""
    layer = cosine_attention(8)
    windows = torch.randn(1, 4, 64, 8)
    expected = layer(windows)
    for parameter in layer.parameters():
        parameter.data = parameter.data.bfloat16()
    assert (layer(windows.bfloat16()) - expected).norm() / expected.norm() < 0.05


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_padding_gets_no_gradient(dtype):
    """Its keys are zero, as keys have no bias; 1 / 0 would overflow half precision, and spoil the weights."""
    layer = cosine_attention()
    windows = torch.randn(1, 2, 9, 8)
    windows[:, :, 4:] = 0
    with torch.autocast('cpu', dtype, enabled=dtype != torch.float32):
        layer(windows).float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_zero_queries_have_finite_gradients():
    layer = cosine_attention()
    torch.nn.init.zeros_(layer.q_bias)
    windows = torch.zeros(1, 1, 9, 8, requires_grad=True)
    layer(windows).sum().backward()
    assert windows.grad.isfinite().all() and layer.logit_scale.grad.isfinite().all()


@pytest.mark.parametrize('kind', [WindowAttention, CosineWindowAttention])
@pytest.mark.parametrize('mask', [None, torch.zeros(4, 9, 9)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_bias_is_as_fused_kernels_want_it(kind, mask, dtype, monkeypatch):
    """Dense in its last dimension, or GPUs fall back to attention whose weights are all in memory."""
    biases = []
    attend = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(torch.nn.functional, 'scaled_dot_product_attention',
                        lambda *args, **kwargs: biases.append(args[3]) or attend(*args, **kwargs))
    kind(channels=4, num_heads=2, window_size=3).to(dtype)(torch.randn(2, 4, 9, 4, dtype=dtype), mask)
    assert biases[0].stride(-1) == 1 and biases[0].dtype == dtype


@pytest.mark.parametrize('kind', [WindowAttention, CosineWindowAttention])
@pytest.mark.parametrize('heads, filled', [(4, 4), (3, 4), (2, 6)])
def test_heads_of_any_size_have_fused_kernels_on_gpus(kind, heads, filled, monkeypatch):
    """Rows of 16 bytes are two numbers here, and 12 / 4 = 3 channels become 4; results are the same."""
    torch.manual_seed(0)
    layer = kind(channels=12, num_heads=heads, window_size=3).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    inputs = torch.randn(2, 4, 9, 12, dtype=torch.float64, requires_grad=True)
    mask = torch.where(torch.rand(4, 9, 9) < 0.3, -100., 0.)
    results, sizes = [], []
    attend = torch.nn.functional.scaled_dot_product_attention
    for on_gpu in (False, True):
        monkeypatch.setattr(attention_file, 'is_on_gpu', lambda tensor, on_gpu=on_gpu: on_gpu)
        monkeypatch.setattr(torch.nn.functional, 'scaled_dot_product_attention', lambda *args, **kwargs: sizes.append(
            {tensor.shape[-1] for tensor in args[:3]}) or attend(*args, **kwargs))
        out = layer(inputs, mask)
        results.append([out, *torch.autograd.grad(out.pow(3).sum(), [inputs, *layer.parameters()])])
    assert sizes == [{12 // heads}, {filled}]
    for found, expected in zip(*reversed(results), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * expected.abs().max().item())
