"""bfloat16 training on a machine without an accelerator."""

import warnings

import pytest
import torch
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

import mmsimmim  # noqa: F401
from mmsimmim.compat import amp_on_cpu

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason='about machines without an accelerator')


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.seen = None

    def forward(self, x):
        result = self.layer(x)
        self.seen = result.dtype
        return result.float().square().mean()


def build(model, **kwargs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return OPTIM_WRAPPERS.build(dict(type='AmpOptimWrapper', optimizer=optimizer, **kwargs))


@pytest.mark.parametrize('dtype', ['bfloat16', torch.bfloat16, None])
@pytest.mark.parametrize('clip_grad', [None, dict(max_norm=1e-3)])
def test_step_runs_in_bfloat16_and_updates_float32_weights(dtype, clip_grad):
    torch.manual_seed(0)
    model = Model()
    wrapper = build(model, dtype=dtype, clip_grad=clip_grad)
    before = model.layer.weight.detach().clone()
    with wrapper.optim_context(model):
        loss = model(torch.ones(2, 4))
    wrapper.update_params(loss)
    change = (model.layer.weight.detach() - before).norm()
    assert model.seen == torch.bfloat16
    assert model.layer.weight.dtype == torch.float32
    assert change > 0
    if clip_grad:
        assert change < 1e-4 * 1.01


def test_float16_is_refused_with_the_cure():
    with pytest.raises(ValueError, match="dtype='float16'.*no accelerator.*optim_wrapper.dtype='bfloat16'"):
        build(Model(), dtype='float16')


def test_invalid_options_are_still_refused():
    with pytest.raises(TypeError, match='loss_scale'):
        build(Model(), dtype='bfloat16', loss_scale='sometimes')


def test_building_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        build(Model(), dtype='bfloat16')


def test_state_written_on_a_cpu_is_read_where_the_scaler_is_in_use():
    model = Model()
    state = build(model, dtype='bfloat16').state_dict()
    assert state['loss_scaler'] == {}
    other = build(model, dtype='bfloat16')

    class ScalerInUse:
        def load_state_dict(self, state):
            raise RuntimeError('The source state dict is empty')

    other.loss_scaler = ScalerInUse()
    other.load_state_dict(state)


def test_apply_twice_wraps_once():
    before = AmpOptimWrapper.__init__
    amp_on_cpu.apply()
    assert AmpOptimWrapper.__init__ is before
