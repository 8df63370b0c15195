"""Histories that fetch their numbers late are those of MMEngine."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub

from mmsimmim.engine import deferred_history
from mmsimmim.engine.deferred_history import DeferredHistory, defer, fetch, note

NUMBERS = [3.0, 1.5, -2.25, 8.0]


def both(numbers=NUMBERS, before=()):
    plain, deferred = HistoryBuffer(list(before), [1] * len(before)), HistoryBuffer(list(before), [1] * len(before))
    deferred = DeferredHistory(deferred)
    for i, number in enumerate(numbers):
        plain.update(number, count=i + 1)
        deferred.update(torch.tensor(number) if i % 2 else number, count=i + 1)
    return plain, deferred


@pytest.mark.parametrize('before', [(), (4.0, 0.5)])
@pytest.mark.parametrize('statistic', ['mean', 'min', 'max'])
@pytest.mark.parametrize('window', [None, 2, 100])
def test_statistics_are_those_of_mmengine(before, statistic, window):
    plain, deferred = both(before=before)
    assert deferred.statistics(statistic, window) == plain.statistics(statistic, window)


def test_current_and_data():
    plain, deferred = both()
    assert deferred.current() == plain.current()
    for one, other in zip(deferred.data, plain.data):
        np.testing.assert_array_equal(one, other)


def test_the_oldest_fall_out(monkeypatch):
    monkeypatch.setattr(deferred_history, 'MAX_PENDING', 3)
    deferred = DeferredHistory(HistoryBuffer([1.], [1], max_length=4))
    for number in range(10):
        deferred.update(torch.tensor(float(number)))
        assert len(deferred._pending) < 3
    assert deferred.data[0].tolist() == [6, 7, 8, 9]
    assert deferred.data[1].tolist() == [1, 1, 1, 1]


def test_a_tensor_may_change_after_it_was_noted():
    deferred, loss = DeferredHistory(HistoryBuffer()), torch.tensor(1.)
    deferred.update(loss)
    loss.fill_(7)
    assert deferred.current() == 1


def test_holds_no_graph():
    deferred = DeferredHistory(HistoryBuffer())
    deferred.update(torch.ones(1, requires_grad=True).sum() * 2)
    assert not deferred._pending[0][0].requires_grad


@pytest.mark.parametrize('copied', [copy.deepcopy, lambda history: pickle.loads(pickle.dumps(history))])
def test_copies_are_mmengines(copied):
    """So that a checkpoint has the types that any reader expects."""
    plain, deferred = both()
    twin = copied(deferred)
    assert type(twin) is HistoryBuffer
    np.testing.assert_array_equal(twin.data, plain.data)


def test_checkpoint_is_read_safely():
    hub = MessageHub('test_checkpoint_is_read_safely')
    for number in NUMBERS:
        note(hub, 'train/loss', torch.tensor(number))
    file = io.BytesIO()
    torch.save(hub.state_dict(), file)
    state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    assert state['log_scalars']['train/loss'].data[0].tolist() == NUMBERS
    assert state['resumed_keys'] == {'train/loss': True}


def test_goes_on_after_what_a_checkpoint_brought():
    hub = MessageHub('test_goes_on')
    hub.log_scalars['train/loss'] = HistoryBuffer([1., 2.], [1, 1])
    hub.update_scalar('train/lr', 0.1)
    note(hub, 'train/loss', torch.tensor(3.))
    defer(hub)
    hub.update_scalar('train/lr', 0.2)
    assert hub.get_scalar('train/loss').data[0].tolist() == [1, 2, 3]
    assert hub.get_scalar('train/lr').data[0].tolist() == [0.1, 0.2]
    assert {type(history) for history in hub.log_scalars.values()} == {DeferredHistory}


def test_fetch_keeps_the_order_and_every_digit():
    values = (1.5, torch.tensor(0.1, dtype=torch.float64), 2, torch.tensor(3.0, dtype=torch.bfloat16))
    assert fetch(values) == [1.5, 0.1, 2, 3.0]
