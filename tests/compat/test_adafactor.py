"""MMEngine's Adafactor is there without importing transformers, which need not be installed for these tests."""

import sys
from types import ModuleType

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.optim.optimizer import builder

from mmsimmim.compat import adafactor


@pytest.fixture
def transformers(monkeypatch):
    """A module of that name with an optimizer."""
    module = ModuleType('transformers')
    module.Adafactor = type('Adafactor', (torch.optim.SGD, ), {})
    monkeypatch.setitem(sys.modules, 'transformers', module)
    return module


@pytest.fixture
def registry(monkeypatch):
    """MMEngine's optimizers as they are where transformers looked absent."""
    monkeypatch.setattr(builder.OPTIMIZERS, '_module_dict', dict(builder.OPTIMIZERS.module_dict))
    builder.OPTIMIZERS.module_dict.pop('Adafactor', None)
    monkeypatch.setattr(builder, 'TRANSFORMERS_OPTIMIZERS', [])
    return builder.OPTIMIZERS


def test_a_config_gets_the_optimizer_of_transformers(transformers, registry):
    adafactor._register(builder)
    assert builder.TRANSFORMERS_OPTIMIZERS == ['Adafactor']
    model = torch.nn.Linear(2, 1)
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='Adafactor', lr=0.5)))
    assert type(wrapper.optimizer) is transformers.Adafactor
    assert wrapper.optimizer.param_groups[0]['lr'] == 0.5
    assert wrapper.optimizer.param_groups[0]['params'][0] is model.weight


def test_what_mmengine_registered_itself_stays(transformers, registry):
    registry.register_module(name='Adafactor', module=transformers.Adafactor)
    adafactor._register(builder)
    assert registry.get('Adafactor') is transformers.Adafactor
