"""The 2-layer MLP against sums written out, position by position."""

import math

import pytest
import torch

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.registry import MODELS
from tests.golden import relative_error
from tests.models.necks.plain import count_parameters, place_positions


def build(**kwargs):
    torch.manual_seed(0)
    return MODELS.build(dict(type='mmsimmim.SimMIMMLPDecoder', in_channels=5, encoder_stride=8, **kwargs)).double()


def test_parameters_of_swin_base():
    number = count_parameters(dict(type='mmsimmim.SimMIMMLPDecoder', in_channels=1024, encoder_stride=32))
    assert number == 90923704
    assert abs(number / 90.9e6 - 1) < 0.01  # the paper's at second hand


@pytest.mark.parametrize('target_stride', [1, 2, 4, 8])
@pytest.mark.parametrize('hidden_channels, out_channels', [(None, 3), (7, 4)])
def test_equals_its_definition(target_stride, hidden_channels, out_channels):
    neck = build(hidden_channels=hidden_channels, out_channels=out_channels, target_stride=target_stride)
    (weight1, bias1, weight2, bias2), x = neck.parameters(), torch.randn(2, 5, 3, 4, dtype=torch.float64)
    assert weight1.shape[:2] == (hidden_channels or 5, 5)
    hidden = torch.einsum('bchw,oc->bhwo', x, weight1[:, :, 0, 0]) + bias1
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    expected = place_positions(hidden @ weight2[:, :, 0, 0].T + bias2, 8 // target_stride)
    out = neck(x)
    assert out.shape == (2, out_channels, 24 // target_stride, 32 // target_stride)
    assert relative_error(out, expected) < 1e-12


def test_every_parameter_learns():
    neck = build(target_stride=2)
    neck(torch.randn(1, 5, 2, 2, dtype=torch.float64)).square().sum().backward()
    assert all((parameter.grad != 0).all() for parameter in neck.parameters())


@pytest.mark.parametrize('kwargs, message', [
    (dict(target_stride=3), 'target_stride 3 does not divide encoder_stride 8'),
    (dict(hidden_channels=0), 'hidden_channels must be at least 1')])
def test_impossible_heads_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)
