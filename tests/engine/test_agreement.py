"""Processes stop at the same place, in whatever order they come to it."""

import itertools
import random

import pytest
from torch.distributed import HashStore

from mmsimmim.engine import agreement
from mmsimmim.engine.agreement import StopAgreement


@pytest.fixture
def members(monkeypatch):
    """A function that makes agreements of several processes, all in this one."""
    monkeypatch.setattr(agreement, 'get_rank', lambda: 0)

    def members(number):
        store, made = HashStore(), [StopAgreement() for _ in range(number)]
        for one in made:
            one._store = store
        return made

    return members


@pytest.mark.parametrize('seed', range(20))
def test_all_stop_at_the_same_question(members, seed):
    chance, group = random.Random(seed), members(3)
    told = {chance.randrange(3): chance.randrange(8), chance.randrange(3): chance.randrange(8)}
    asked, stopped = [0] * 3, {}
    while len(stopped) < 3:
        one = chance.choice([i for i in range(3) if i not in stopped and asked[i] <= min(asked) + 2])
        wanted = asked[one] >= told.get(one, 1000)
        if group[one].stops_here(wanted):
            stopped[one] = asked[one]
        asked[one] += 1
    assert len(set(stopped.values())) == 1
    assert min(told.values()) <= stopped[0] <= min(told.values()) + 3


def test_nobody_stops_unasked_and_old_answers_are_removed(members, monkeypatch):
    monkeypatch.setattr(agreement, 'KEPT', 5)
    group = members(2)
    assert not any(one.stops_here(False) for _ in range(50) for one in group)
    assert group[0]._store.num_keys() <= 6


@pytest.mark.parametrize('first_is_done', [False, True])
def test_within_something_the_first_word_counts(members, first_is_done):
    one, other = members(2)
    questions = [lambda: one.stops_within('v', False, last=True), lambda: other.stops_within('v', True, last=False)]
    answers = [ask() for ask in (questions if first_is_done else questions[::-1])]
    assert answers == [not first_is_done] * 2
    assert one.stops_within('v', False, last=False) is not first_is_done
    assert not one.stops_within('w', False, last=False)


def test_a_single_process_asks_itself():
    for wanted, last in itertools.product([False, True], repeat=2):
        assert StopAgreement().stops_here(wanted) is wanted is StopAgreement().stops_within('v', wanted, last)
