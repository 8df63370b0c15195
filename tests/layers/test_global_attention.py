"""Attention of all tokens, and its bias, against loops over tokens."""

import math

import pytest
import torch

from mmsimmim.layers import GlobalAttention, RelativePositionBias, resize_bias_table, resize_token_bias_table
from tests.golden import relative_error


def naive_bias(table, grid):
    """Bias of the tokens, the class token first, looked up one by one."""
    rows, cols = grid
    length = 1 + rows * cols
    bias = torch.zeros(table.shape[1], length, length, dtype=table.dtype)
    for query in range(length):
        for key in range(length):
            if query == 0:
                row = len(table) - (1 if key == 0 else 3)
            elif key == 0:
                row = len(table) - 2
            else:
                down = (query - 1) // cols - (key - 1) // cols + rows - 1
                right = (query - 1) % cols - (key - 1) % cols + cols - 1
                row = down * (2 * cols - 1) + right
            bias[:, query, key] = table[row]
    return bias


def random_bias(grid, heads=2, **kwargs):
    layer = RelativePositionBias(heads, grid, **kwargs).double()
    torch.nn.init.normal_(layer.relative_position_bias_table)
    return layer


@pytest.mark.parametrize('grid', [(3, 3), (2, 4), (1, 1)])
def test_bias_by_definition_with_its_gradient(grid):
    torch.manual_seed(0)
    layer = random_bias(grid)
    table = layer.relative_position_bias_table
    bias, expected = layer.position_bias(grid), naive_bias(table, grid)
    assert torch.equal(bias, expected)
    weights = torch.randn_like(bias)
    ours, theirs = (torch.autograd.grad((b * weights).sum(), table)[0] for b in (bias, expected))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize('mode', ['geometric', 'bicubic'])
def test_tables_are_resized_except_for_the_class_token(mode):
    table = torch.randn(11 * 11 + 3, 2, dtype=torch.float64)
    resized = resize_token_bias_table(table, (8, 8), mode)
    assert torch.equal(resized[:-3], resize_bias_table(table[:-3], 15 * 15, mode))
    assert torch.equal(resized[-3:], table[-3:])
    assert resize_token_bias_table(table, (6, 6), mode) is table


@pytest.mark.parametrize('mode', ['geometric', 'bicubic'])
def test_a_rectangle_is_resized_along_each_side(mode):
    """What varies along one side only becomes what that side alone would."""
    column = torch.randn(11, dtype=torch.float64)
    table = torch.cat([column[:, None].expand(11, 11).reshape(-1, 1), torch.zeros(3, 1)])
    resized = resize_token_bias_table(table, (8, 5), mode)[:-3].reshape(15, 9)
    square = resize_token_bias_table(table, (8, 8), mode)[:-3].reshape(15, 15)
    torch.testing.assert_close(resized, square[:, :1].expand(15, 9))


@pytest.mark.parametrize('rows, message', [(120 + 3, 'got 120 beside 3'), (2, 'beside 3')])
def test_what_is_no_table_is_refused(rows, message):
    layer = RelativePositionBias(1, (7, 7))
    with pytest.raises(ValueError, match=f'relative_position_bias_table: .*{message}'):
        layer.load_state_dict(dict(relative_position_bias_table=torch.zeros(rows, 1)))
    with pytest.raises(ValueError, match='bias_resize'):
        RelativePositionBias(1, (7, 7), bias_resize='cubic')


@pytest.mark.parametrize('mode', ['geometric', 'bicubic'])
@pytest.mark.parametrize('grid', [(8, 8), (5, 9), (3, 3)])
def test_another_grid_is_as_after_loading(grid, mode):
    source = random_bias((6, 6), bias_resize=mode)
    target = RelativePositionBias(2, grid, bias_resize=mode).double()
    state = dict(source.state_dict(), relative_position_index=torch.zeros(37, 37))
    target.load_state_dict(state)
    assert torch.equal(source.position_bias(grid), target.position_bias(grid))
    source.position_bias(grid).square().sum().backward()
    assert (source.relative_position_bias_table.grad.abs() > 0).any(0).all()


def test_weights_cached_without_gradients_serve_training():
    layer = random_bias((4, 4))
    with torch.inference_mode():
        layer.position_bias((9, 7))
    layer.position_bias((9, 7)).sum().backward()
    assert layer.relative_position_bias_table.grad.abs().sum() > 0


@pytest.mark.parametrize('bias', ['qv_bias', True, False])
@pytest.mark.parametrize('class_token', [True, False])
@pytest.mark.parametrize('own_bias', [True, False])
def test_equals_a_loop_over_heads(own_bias, class_token, bias):
    torch.manual_seed(0)
    layer = GlobalAttention(8, 2, (2, 3), own_bias, bias).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 6 + class_token, 8, dtype=torch.float64)
    given = random_bias((2, 3)).position_bias((2, 3))
    position = (layer.position_bias((2, 3)) if own_bias else given)[:, 1 - class_token:, 1 - class_token:]

    qkv = x @ layer.qkv.weight.T
    if bias == 'qv_bias':
        assert layer.qkv.bias is None
        qkv = qkv + torch.cat([layer.q_bias, torch.zeros(8), layer.v_bias])
    elif bias:
        qkv = qkv + layer.qkv.bias
    query, key, value = qkv.split(8, dim=2)
    heads = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        logits = query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(4) + position[head]
        heads.append(logits.softmax(-1) @ value[..., part])
    out = layer(x, (2, 3), None if own_bias else given)
    assert relative_error(out, layer.proj(torch.cat(heads, 2))) < 1e-12


def test_one_bias_serves_all_images(monkeypatch):
    masks = []
    attend = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(torch.nn.functional, 'scaled_dot_product_attention',
                        lambda *args, **kwargs: masks.append(kwargs['attn_mask']) or attend(*args, **kwargs))
    GlobalAttention(8, 2, (2, 3), own_bias=True)(torch.randn(5, 7, 8), (2, 3))
    assert masks[0].shape == (1, 2, 7, 7)


def test_dropout_is_for_training_only():
    torch.manual_seed(0)
    layer = GlobalAttention(8, 2, (2, 3), attn_drop_rate=0.5)
    x = torch.randn(1, 7, 8)
    assert not torch.equal(layer(x, (2, 3)), layer(x, (2, 3)))
    layer.eval()
    assert torch.equal(layer(x, (2, 3)), layer(x, (2, 3)))
    with pytest.raises(ValueError, match='qv_bias'):
        GlobalAttention(8, 2, (2, 3), bias='kv_bias')
