"""A compiled step of pre-training gives the official numbers: loss and every gradient."""

import shutil

import pytest
import torch

from mmsimmim.engine.compiling import compile_model
from mmsimmim.registry import MODELS
from tests.golden import assert_official_gradients, relative_error, simmim_swin, simmim_swinv2, simmim_vit
from tests.models.tiny import ENCODERS, levels, model_config, random_masks


@pytest.mark.parametrize('simmim', [simmim_swin, simmim_swinv2, simmim_vit])
def test_equals_official(simmim):
    """Captured and differentiated."""
    model, golden = simmim()
    torch.compiler.reset()
    compile_model(model, backend='aot_eager')
    loss = model.masked_loss(golden['input'], golden['mask'])
    assert relative_error(loss, golden['loss']) < 1e-6
    loss.backward()
    assert_official_gradients(model, golden)


def few_blocks(encoder):
    """A model in float64 of as few blocks as show everything: C++ takes the compiler minutes for the official ones."""
    config = model_config(encoder=encoder)
    if encoder != 'vit':  # plain and shifted windows, and a merging between stages
        config['backbone'].update(arch=dict(embed_dims=8, depths=[2, 1], num_heads=[1, 2]), out_indices=(1, ))
        config['neck'].update(in_channels=16, encoder_stride=8)
    torch.manual_seed(0)
    return MODELS.build(config).double()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('g++'), reason='no C++ compiler')
@pytest.mark.parametrize('encoder', ENCODERS)
def test_generated_code_equals_eager(encoder):
    model, mask = few_blocks(encoder), random_masks(encoder=encoder)
    images = levels().double() / 128 - 1
    expected = loss_and_gradients(model, images, mask)
    torch.compiler.reset()
    compile_model(model, backend='inductor')
    for found, value in zip(loss_and_gradients(model, images, mask), expected, strict=True):
        assert relative_error(found, value) < 1e-6


def loss_and_gradients(model, images, mask):
    model.zero_grad()
    loss = model.masked_loss(images, mask)
    loss.backward()
    return [loss.detach(), *(parameter.grad.clone() for parameter in model.parameters())]
