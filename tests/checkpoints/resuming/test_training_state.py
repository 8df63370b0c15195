"""Moments that are not those of the parameters are found, whichever optimizer made them."""

import copy

import pytest
import torch
from mmpretrain.registry import OPTIMIZERS
from torch import nn

from mmsimmim.checkpoints.resuming.training_state import find_state_misfits, missing_parts

OPTIMIZER_NAMES = ('AdamW', 'SGD', 'Adagrad', 'Adadelta', 'Adamax', 'ASGD', 'NAdam', 'RAdam', 'RMSprop', 'Rprop',
                   'LBFGS', 'TorchAdafactor', 'Adafactor')
SETTINGS = dict(AdamW=dict(amsgrad=True), SGD=dict(lr=0.1, momentum=0.9), RMSprop=dict(momentum=0.9, centered=True))


def model(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 2), nn.PReLU())


def optimizer_of(network, name):
    settings = dict(type=name, params=network.parameters(), **SETTINGS.get(name, {}))
    if name not in OPTIMIZERS:
        pytest.skip(f'{name} is not installed')
    return OPTIMIZERS.build(settings)


def after_a_step(name='AdamW'):
    network = model()
    optimizer = optimizer_of(network, name)

    def closure():
        optimizer.zero_grad()
        with torch.enable_grad():  # which mmpretrain's Adafactor does not
            loss = network(torch.rand(1, 3, 4, 4)).square().sum()
            loss.backward()
        return loss

    optimizer.step(closure)
    return network, optimizer


def misfits(state, network, optimizer):
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return find_state_misfits(state, optimizer.param_groups, names)


@pytest.mark.parametrize('name', OPTIMIZER_NAMES)
def test_the_state_of_the_same_model_fits(name):
    network, optimizer = after_a_step(name)
    assert misfits(optimizer.state_dict(), network, optimizer) == []


@pytest.mark.parametrize('name', [name for name in OPTIMIZER_NAMES if name != 'LBFGS'])
def test_the_state_of_another_width_does_not(name):
    state = after_a_step(name)[1].state_dict()
    other = model(width=5)
    assert '0.weight' in misfits(state, other, optimizer_of(other, name))[0]


@pytest.mark.parametrize('key, value, text', [
    ('exp_avg', torch.zeros(1), 'exp_avg of 0.bias has the shape (1,) instead of (4,)'),
    ('exp_avg', torch.zeros(()), 'exp_avg of 0.bias has the shape () instead of (4,)'),
    ('exp_avg_sq', torch.zeros(4, 4), 'exp_avg_sq of 0.bias has the shape (4, 4) instead of (4,)'),
    ('exp_avg', 0.5, 'exp_avg of 0.bias is a float'),
    ('step', torch.zeros(4), 'step of 0.bias has the shape (4,) instead of ()')])
def test_what_torch_would_broadcast_or_crash_on(key, value, text):
    network, optimizer = after_a_step()
    state = copy.deepcopy(optimizer.state_dict())
    state['state'][1][key] = value
    assert misfits(state, network, optimizer) == [text]


def test_numbers_of_parameters():
    network, optimizer = after_a_step()
    state = optimizer.state_dict()
    fewer = [dict(params=list(network.parameters())[:2])]
    assert 'it is of 3 parameters in 1 groups' in find_state_misfits(state, fewer, {})[0]
    shuffled = copy.deepcopy(state)
    shuffled['param_groups'][0]['params'] = [0, 2, 1]
    assert len(misfits(shuffled, network, optimizer)) == 6  # three moments of two parameters
    assert 'in none of its groups' in misfits({**state, 'state': {7: {}}}, network, optimizer)[0]
    assert 'none of an optimizer' in misfits(dict(state=3), network, optimizer)[0]
    assert 'a list' in misfits({**state, 'state': {0: [1]}}, network, optimizer)[0]


def test_parts():
    whole = dict(meta=dict(epoch=1, iter=1), optimizer=dict(x=1), message_hub=dict(x=1))
    assert missing_parts(whole, schedules=False) == []
    assert missing_parts(whole, schedules=True) == ['the state of the schedules']
    assert len(missing_parts(dict(meta=dict(epoch=1)), schedules=True)) == 4
