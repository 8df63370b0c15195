"""The linear head against sums written out, position by position."""

import pytest
import torch
from mmengine.config import Config

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.registry import MODELS
from tests.golden import relative_error
from tests.models.necks.plain import REPO, count_parameters, place_positions


def build(**kwargs):
    torch.manual_seed(0)
    return MODELS.build(dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=5, **kwargs)).double()


def test_parameters_of_swin_base():
    """The number that mmpretrain states, too; the paper says 89.9M."""
    neck = Config.fromfile(REPO / 'configs/_base_/models/simmim_swin-base-w6.py').model.neck
    assert count_parameters(neck) == 89874104


@pytest.mark.parametrize('encoder_stride, target_stride', [(8, 1), (8, 2), (8, 4), (8, 8), (6, 3)])
@pytest.mark.parametrize('out_channels', [3, 4])
def test_equals_its_definition(encoder_stride, target_stride, out_channels):
    neck = build(encoder_stride=encoder_stride, out_channels=out_channels, target_stride=target_stride)
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    weight, bias = neck.decoder[0].weight[:, :, 0, 0], neck.decoder[0].bias
    numbers = torch.einsum('bchw,oc->bhwo', x, weight) + bias
    out, expected = neck(x), place_positions(numbers, encoder_stride // target_stride)
    assert out.shape == (2, out_channels, 3 * encoder_stride // target_stride, 4 * encoder_stride // target_stride)
    assert relative_error(out, expected) < 1e-12


def test_every_parameter_learns():
    neck = build(encoder_stride=8, target_stride=4)
    neck(torch.randn(1, 5, 2, 2, dtype=torch.float64)).square().sum().backward()
    assert all((parameter.grad != 0).all() for parameter in neck.parameters())


def test_keys_are_those_of_mmpretrain():
    from mmpretrain.models import SimMIMLinearDecoder
    theirs, ours = SimMIMLinearDecoder(5, 8).double(), build(encoder_stride=8)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 5, 2, 3, dtype=torch.float64)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize('target_stride', [0, 3, 16])
def test_positions_that_do_not_fill_a_token_are_refused(target_stride):
    message = f'target_stride {target_stride} does not divide encoder_stride 8.*target generator.*1, 2, 4, 8'
    with pytest.raises(ValueError, match=message):
        build(encoder_stride=8, target_stride=target_stride)
