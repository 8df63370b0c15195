"""A compiled step of pre-training gives the official numbers: loss and every gradient."""

import shutil

import pytest
import torch

from mmsimmim.engine.compiling import compile_model
from tests.golden import assert_official_gradients, relative_error, simmim_swin, simmim_swinv2, simmim_vit

needs_compiler = pytest.mark.skipif(not shutil.which('g++'), reason='no C++ compiler')


@pytest.mark.parametrize('backend', ['aot_eager', pytest.param('inductor', marks=[needs_compiler, pytest.mark.slow])])
@pytest.mark.parametrize('simmim', [simmim_swin, simmim_swinv2, simmim_vit])
def test_equals_official(simmim, backend):
    """Captured and differentiated, and also with generated code."""
    model, golden = simmim()
    torch.compiler.reset()
    compile_model(model, backend=backend)
    loss = model.masked_loss(golden['input'], golden['mask'])
    assert relative_error(loss, golden['loss']) < 1e-6
    loss.backward()
    assert_official_gradients(model, golden)
