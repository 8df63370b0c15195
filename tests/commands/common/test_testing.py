"""Checkpoints of another architecture are refused, on plain models of every framework's kind."""

import pytest
import torch
from mmengine.model import BaseTTAModel
from torch import nn

from mmsimmim.engine.hooks.resuming.check_architecture import ArchitectureHook, find_misfits
from mmsimmim.errors import UserError


def model(width=4, depth=2):
    return nn.ModuleDict(dict(
        stem=nn.Linear(3, width), layers=nn.ModuleList(nn.Linear(width, width) for _ in range(depth)),
        norm=nn.BatchNorm1d(width)))


def test_the_same_architecture_fits_whatever_buffers_differ():
    weights = model().state_dict()
    weights['layers.0.relative_position_index'] = torch.zeros(3)
    weights['auxiliary_head.layers.0.weight'] = torch.zeros(3)
    del weights['norm.num_batches_tracked']
    assert find_misfits(model(), weights) == []
    assert find_misfits(model(), {f'module.{name}': value for name, value in weights.items()}) == []


def test_misfits_are_counted_and_named():
    assert find_misfits(model(depth=4), model().state_dict()) == [
        'of 12 parameters, it lacks 4 (layers.2.weight, layers.2.bias, layers.3.weight, ...)']
    assert find_misfits(model(depth=1), model().state_dict()) == [
        'of layers that the model does not have are 2 (layers.1.weight, layers.1.bias)']
    fault, = find_misfits(model(width=5), model().state_dict())
    assert fault.startswith('of another shape are 10 (stem.weight, stem.bias, layers.0.weight, ...)')


@pytest.mark.parametrize('key', ['state_dict', None])
def test_the_hook_looks_into_wrappers(key):

    class Augmented(BaseTTAModel):

        def __init__(self, module):
            nn.Module.__init__(self)
            self.module = module

        def merge_preds(self, data_samples_list):
            return data_samples_list

    class Run:
        model = Augmented(globals()['model']())

    weights = model().state_dict()
    ArchitectureHook().after_load_checkpoint(Run, {key: weights} if key else weights)
    del weights['stem.weight']
    with pytest.raises(UserError, match='not one of the model in the config: of 8 parameters, it lacks 1 .stem.weight'):
        ArchitectureHook().after_load_checkpoint(Run, {key: weights} if key else weights)
