"""States that no optimizer has written are named, before a step computes with them."""

import copy

import pytest
import torch

from .test_training_state import after_a_step, misfits


@pytest.mark.parametrize('key, change, text', [
    ('exp_avg', lambda value: value.to(torch.int64), 'exp_avg of 0.bias is of the type torch.int64'),
    ('exp_avg', lambda value: value[:1].expand(4), 'exp_avg of 0.bias has one value in several places'),
    ('exp_avg', lambda value: value * float('nan'), 'exp_avg of 0.bias has values that are not finite'),
    ('exp_avg_sq', lambda value: -value - 1, 'exp_avg_sq of 0.bias has negative squares'),
    ('exp_avg', lambda value: None, 'that of 0.bias lacks exp_avg'),
    ('step', lambda value: float('nan'), 'step of 0.bias is a float'),
    ('step', lambda value: 'x', 'step of 0.bias is a str')])
def test_moments(key, change, text):
    network, optimizer = after_a_step()
    state = copy.deepcopy(optimizer.state_dict())
    state['state'][1][key] = change(state['state'][1][key])
    assert misfits(state, network, optimizer) == [text]


def test_none_is_no_square():
    network, optimizer = after_a_step()
    state = copy.deepcopy(optimizer.state_dict())
    for values in state['state'].values():
        values['exp_avg_sq'] = None
    assert misfits(state, network, optimizer)[0].endswith('is a NoneType')


def test_a_moment_that_only_one_lacks():
    network, optimizer = after_a_step()
    state = copy.deepcopy(optimizer.state_dict())
    del state['state'][1]['exp_avg']
    assert misfits(state, network, optimizer) == ['that of 0.bias lacks exp_avg']


@pytest.mark.parametrize('key, value, text', [
    ('betas', (0.9, ), 'betas of group 0 is a tuple'), ('betas', 3, 'betas of group 0 is 3'),
    ('eps', 'x', 'eps of group 0 is a str'), ('lr', float('nan'), 'lr of group 0 is nan'),
    ('weight_decay', None, 'weight_decay of group 0 is None'), ('maximize', 1, 'maximize of group 0 is 1'),
    ('foreach', [1], 'foreach of group 0 is a list'), ('fused', True, None),
    ('amsgrad', False, 'amsgrad is False in the checkpoint and True in the config')])
def test_groups(key, value, text):
    network, optimizer = after_a_step()
    state = copy.deepcopy(optimizer.state_dict())
    state['param_groups'][0][key] = value
    assert misfits(state, network, optimizer) == ([text] if text else [])
    del state['param_groups'][0][key]
    assert misfits(state, network, optimizer) == [f'{key} of group 0 is missing']
