"""How the optimizer of a resumed run computes is the config's matter, not the checkpoint's."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from mmsimmim.engine.hooks.resuming.keep_implementation import KeepImplementationHook


class Runner:
    """As much of one as the hook looks at."""

    def __init__(self, optim_wrapper):
        self.optim_wrapper = optim_wrapper


def wrapper(**settings):
    """A model of two groups, and its optimizer after a step."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW([dict(params=[model.weight]), dict(params=[model.bias], lr=1e-3)], **settings)
    step(model)
    optimizer.step()
    return model, OptimWrapper(optimizer)


def step(model):
    model.zero_grad()
    model(torch.ones(1, 3)).square().sum().backward()


def resume(optim_wrapper, state):
    checkpoint = dict(optimizer=state)
    KeepImplementationHook().after_load_checkpoint(Runner(optim_wrapper), checkpoint)
    optim_wrapper.load_state_dict(checkpoint['optimizer'])


@pytest.mark.parametrize('before, after', [(None, True), (True, None), (False, True), (True, False)])
def test_fused_and_not(before, after):
    """Groups compute as the new run says, learn as the old one did, and the next step is the same."""
    old_model, old = wrapper(lr=1e-2, fused=before)
    new_model, new = wrapper(lr=0.5, fused=after)
    new_model.load_state_dict(old_model.state_dict())
    resume(new, copy.deepcopy(old.state_dict()))
    groups = new.optimizer.param_groups
    assert [group['fused'] for group in groups] == [after] * 2
    assert [group['lr'] for group in groups] == [1e-2, 1e-3]
    for model, one in ((old_model, old), (new_model, new)):
        step(model)
        one.optimizer.step()
    for name, value in old_model.state_dict().items():
        torch.testing.assert_close(new_model.state_dict()[name], value, rtol=1e-6, atol=1e-7)


def test_several_optimizers():
    _, old = wrapper(fused=None)
    _, new = wrapper(fused=True)
    resume(OptimWrapperDict(one=new), dict(one=old.state_dict()))
    assert [group['fused'] for group in new.optimizer.param_groups] == [True] * 2


def test_an_optimizer_without_such_settings():
    model = nn.Linear(3, 2)
    new = OptimWrapper(torch.optim.Rprop(model.parameters(), foreach=False))
    state = OptimWrapper(torch.optim.Rprop(model.parameters(), foreach=True)).state_dict()
    resume(new, state)
    group, = new.optimizer.param_groups
    assert group['foreach'] is False and 'fused' not in group


def test_a_checkpoint_without_optimizer():
    checkpoint = dict(state_dict={})
    KeepImplementationHook().after_load_checkpoint(Runner(wrapper()[1]), checkpoint)
    assert checkpoint == dict(state_dict={})
