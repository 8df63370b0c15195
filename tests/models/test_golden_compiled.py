"""A compiled step of pre-training gives the official numbers: loss and every gradient."""

import shutil

import pytest
import torch

from mmsimmim.engine.compiling import compile_model
from tests.golden import assert_official_gradients, relative_error, simmim_swin, simmim_swinv2, simmim_vit

needs_compiler = pytest.mark.skipif(not shutil.which('g++'), reason='no C++ compiler')


@pytest.mark.parametrize('simmim, backend', [
    (simmim_swin, 'aot_eager'), (simmim_swinv2, 'aot_eager'), (simmim_vit, 'aot_eager'),
    pytest.param(simmim_vit, 'inductor', marks=[needs_compiler, pytest.mark.slow])])
def test_equals_official(simmim, backend):
    """Captured and differentiated for all encoders; with code generated for the one that takes the least time."""
    model, golden = simmim()
    torch.compiler.reset()
    compile_model(model, backend=backend)
    loss = model.masked_loss(golden['input'], golden['mask'])
    assert relative_error(loss, golden['loss']) < 1e-6
    loss.backward()
    assert_official_gradients(model, golden)
