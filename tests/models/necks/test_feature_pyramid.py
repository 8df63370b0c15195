"""The simple feature pyramid against its definition, written with plain functions in float64."""

import pytest
import torch
import torch.nn.functional as F

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.registry import MODELS
from tests.golden import relative_error


def normalise(x, weight, bias):
    """Over channels, place by place."""
    mean, variance = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    return (x - mean) / (variance + 1e-6).sqrt() * weight[:, None, None] + bias[:, None, None]


def refine(x, state, first):
    """The two convolutions of a level, which begin with layer ``first``."""
    for layer, padding in ((first, 0), (first + 1, 1)):
        x = F.conv2d(x, state[f'{layer}.conv.weight'], padding=padding)
        x = normalise(x, state[f'{layer}.ln.weight'], state[f'{layer}.ln.bias'])
    return x


def double(x, state, layer):
    return F.conv_transpose2d(x, state[f'{layer}.weight'], state[f'{layer}.bias'], stride=2)


@pytest.fixture
def neck():
    torch.manual_seed(0)
    neck = MODELS.build(dict(type='mmsimmim.SimpleFeaturePyramid', in_channels=8, out_channels=6)).double()
    for parameter in neck.parameters():
        torch.nn.init.normal_(parameter)
    return neck


def test_equals_its_definition(neck):
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    states = [level.state_dict() for level in neck.levels]
    large = double(x, states[0], 0)
    large = double(F.gelu(normalise(large, states[0]['1.weight'], states[0]['1.bias'])), states[0], 3)
    half = x[:, :, :4].unflatten(2, (2, 2)).unflatten(4, (3, 2)).amax((3, 5))
    expected = [refine(large, states[0], 4), refine(double(x, states[1], 0), states[1], 1), refine(x, states[2], 0),
                refine(half, states[3], 1)]
    expected.append(expected[-1][:, :, ::2, ::2])
    outs = neck((torch.zeros(0), x))  # the last map alone
    assert len(outs) == 5
    for out, reference in zip(outs, expected):
        assert relative_error(out, reference) < 1e-12


def test_every_parameter_learns(neck):
    sum(out.square().sum() for out in neck((torch.randn(1, 8, 4, 4, dtype=torch.float64), ))).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in neck.parameters())


@pytest.mark.parametrize('kwargs, message', [(dict(num_outs=3), 'num_outs 3'), (dict(scales=[3]), 'scale 3')])
def test_impossible_pyramids_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='mmsimmim.SimpleFeaturePyramid', **kwargs))
