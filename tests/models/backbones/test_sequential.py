"""Attention in one group of windows after another, against that of all windows at once."""

import copy

import pytest
import torch
import torch.nn.functional as F

from mmsimmim.analysis.memory.live_memory import LiveMemory
from mmsimmim.layers import CosineWindowAttention, ShiftedWindowAttention, WindowAttention, windows
from mmsimmim.models import SwinTransformer, SwinTransformerV2
from tests.models.backbones.witness import randomised
from tests.recomputing import WITH_CP

ENCODERS = [SwinTransformer, SwinTransformerV2]
ARCH = dict(embed_dims=8, depths=[2, 2, 2], num_heads=[1, 2, 2])


@pytest.fixture(autouse=True)
def groups_of_two(monkeypatch):
    """Two windows of 16 tokens and two heads."""
    monkeypatch.setattr(windows, 'MAX_LOGITS', 2 * 2 * 16**2)


def layers(kind, shift, heads=2):
    """The same attention at once and in sequence."""
    torch.manual_seed(0)
    at_once = ShiftedWindowAttention(kind(channels=8, num_heads=heads, window_size=4), 4, shift).double()
    for parameter in at_once.parameters():
        torch.nn.init.normal_(parameter)
    in_sequence = copy.deepcopy(at_once)
    in_sequence.sequential = True
    return at_once, in_sequence


def results(model, x):
    """Outputs, and the gradients of the input and of all parameters."""
    torch.manual_seed(0)  # of stochastic depth
    x = x.clone().requires_grad_()
    outs = model(x)
    outs = outs if isinstance(outs, tuple) else (outs, )
    sum((out.double()**3).sum() for out in outs).backward()
    assert all(p.grad is not None for p in model.parameters())
    return [*outs, x.grad, *(p.grad for p in model.parameters())]


def assert_same(found, expected, bound=1e-12):
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= bound * other.norm()


@pytest.mark.parametrize('kind', [WindowAttention, CosineWindowAttention])
@pytest.mark.parametrize('shift', [0, 2])
@pytest.mark.parametrize('size', [(16, 12), (13, 18), (3, 14), (9, 4), (4, 4)])
def test_equals_attention_at_once(kind, shift, size):
    at_once, in_sequence = layers(kind, shift)
    x = torch.randn(2, *size, 8, dtype=torch.float64)
    assert_same(results(in_sequence, x), results(at_once, x))


@pytest.mark.parametrize('encoder', ENCODERS)
@pytest.mark.parametrize('with_cp', WITH_CP)
def test_encoder_equals_that_of_attention_at_once(encoder, with_cp):
    """With dropped branches and padded windows, among stages of the other kind."""
    kwargs = dict(arch=ARCH, window_size=4, drop_path_rate=0.5, out_indices=(0, 1, 2))
    expected = randomised(encoder(**kwargs)).train()
    model = encoder(**kwargs, with_cp=with_cp, sequential_stages=(0, 2)).double().train()
    model.load_state_dict(expected.state_dict(), strict=True)
    images = torch.randn(2, 3, 45, 70, dtype=torch.float64)
    assert_same(results(model, images), results(expected, images))


@pytest.mark.parametrize('encoder', ENCODERS)
def test_half_precision_is_as_precise(encoder):
    kwargs = dict(arch=ARCH, window_size=4, drop_path_rate=0., out_indices=(2, ))
    images = torch.randn(2, 3, 64, 64)
    found = []
    for stages, half in (((), False), ((), True), ((0, 1, 2), True)):
        model = randomised(encoder(**kwargs, sequential_stages=stages, with_cp=True)).float()
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=half):
            found.append(results(model, images))
    exact, at_once, in_sequence = found
    assert [tensor.dtype for tensor in in_sequence] == [tensor.dtype for tensor in at_once]
    errors = [sum((one - other).norm() / other.norm() for one, other in zip(half, exact, strict=True))
              for half in (at_once, in_sequence)]
    assert 0 < errors[1] < 1.2 * errors[0] < 0.05 * len(exact)


@pytest.mark.parametrize('encoder, with_cp', [(SwinTransformer, True), (SwinTransformerV2, False)])
def test_compiled_as_one_graph(encoder, with_cp):
    arch = dict(embed_dims=4, depths=[2], num_heads=[2])
    model = encoder(arch, window_size=4, with_cp=with_cp, sequential_stages=(0, ), out_indices=(0, ))
    model = randomised(model).train()
    images = torch.randn(1, 3, 32, 48, dtype=torch.float64)
    expected = results(model, images)
    model.zero_grad()
    compiled = torch.compile(model, fullgraph=True, dynamic=False, backend='eager')
    assert_same(results(compiled, images), expected)


def test_a_group_has_few_windows(monkeypatch):
    """Groups have two windows at most, which share one bias; masks are not made for each window."""
    seen = []
    attend = F.scaled_dot_product_attention
    monkeypatch.setattr(F, 'scaled_dot_product_attention', lambda query, key, value, bias, **kwargs: (
        seen.append((len(query), bias.shape)), attend(query, key, value, bias, **kwargs))[1])
    windows.MASKS.clear()
    _, in_sequence = layers(WindowAttention, 2)
    with torch.no_grad():
        in_sequence(torch.randn(1, 20, 16, 8, dtype=torch.float64))
    # of 5 x 4 windows: 12 with no mask, 4 at the right, 3 at the bottom, 1 in the corner
    assert [number for number, _ in seen] == [2] * 6 + [2] * 2 + [2, 1] + [1]
    assert {shape for _, shape in seen} == {(1, 2, 16, 16)}
    masks = windows.MASKS.get((8, 8, 4, 2, torch.device('cpu')), lambda: [])
    assert len(windows.MASKS) == 1 and len(masks) == 4


@pytest.mark.parametrize('shift', [0, 2])
def test_only_the_input_is_kept(shift):
    """Beside the output; what a group needs is freed before the next one's turn."""
    lives, peaks = [], []
    for layer in layers(WindowAttention, shift):
        layer = layer.float()
        x = torch.randn(1, 32, 32, 8, requires_grad=True)
        layer(x)  # fills the cache of masks
        for tensor in [x, *layer.parameters()]:
            tensor.grad = torch.zeros_like(tensor)
        with LiveMemory() as memory:
            out = layer(x)
            lives.append(memory.live)
            out.sum().backward()
        peaks.append(memory.peak)
    size = 4 * x.numel()
    assert lives[1] < 2.2 * size < 6 * size < lives[0]
    assert peaks[1] < 5 * size < peaks[0] / 2


def test_masks_cached_without_gradients_serve_training():
    _, layer = layers(WindowAttention, 2)
    windows.MASKS.clear()
    x = torch.randn(1, 9, 9, 8, dtype=torch.float64)
    with torch.inference_mode():
        layer(x)
    layer(x).sum().backward()
    assert layer.w_msa.relative_position_bias_table.grad.abs().sum() > 0


@pytest.mark.parametrize('encoder', ENCODERS)
@pytest.mark.parametrize('with_cp', WITH_CP)
def test_stages(encoder, with_cp):
    model = encoder(ARCH, with_cp=with_cp, sequential_stages=[1], out_indices=(2, ))
    assert [[block.attn.sequential for block in stage.blocks] for stage in model.stages] == [
        [False] * 2, [True] * 2, [False] * 2]
    assert [stage.with_cp for stage in model.stages] == [with_cp, bool(with_cp), with_cp]
    for wrong in ((3, ), (-1, ), 1, ('0', ), '1', None):
        with pytest.raises(ValueError, match=r'sequential_stages .* from 0 to 2, such as \(0, 1\)'):
            encoder(ARCH, sequential_stages=wrong, out_indices=(2, ))
