"""The line that a person watches: its numbers, in terminals of any width and without one."""

import io
import math
import os

import pytest

from mmsimmim.commands.pretraining import live
from mmsimmim.commands.pretraining.live import LiveLine
from mmsimmim.commands.pretraining.pace import Pace, duration


class Terminal(io.StringIO):

    def isatty(self):
        return True

    def fileno(self):
        return 1


@pytest.fixture
def terminal(monkeypatch):
    """A function that makes a terminal of some width."""

    def terminal(columns):
        monkeypatch.setattr(live.os, 'get_terminal_size', lambda number: os.terminal_size((columns, 24)))
        return Terminal()

    return terminal


def record(step, loss=0.5, seconds=0.5, **others):
    return dict(iter=step, loss=loss, time=seconds, **others)


def test_a_pipe_gets_plain_lines_now_and_then_and_the_last(monkeypatch):
    now = [0.]
    monkeypatch.setattr(live.time, 'monotonic', lambda: now[0])
    stream = io.StringIO()
    line = LiveLine(200, 64, stream)
    for step in range(1, 201):
        now[0] = step
        line.show(record(step))
    line.close()
    lines = stream.getvalue().splitlines()
    assert [text.split()[0] for text in lines] == ['1/200', '61/200', '121/200', '181/200', '200/200']
    assert lines[0] == '1/200  loss 0.5000  2 min left  128 images/s'
    assert '\r' not in stream.getvalue()


def test_a_terminal_has_one_line_that_changes(terminal):
    stream = terminal(120)
    line = LiveLine(100, 64, stream)
    line.show({'step': 0, 'probe/knn': 25.81})
    line.show(record(1, seconds=6))
    line.show({'step': 1, 'reconstruction/masked_loss': 0.61234})
    line.show(record(2, seconds=6))
    line.close()
    first, second = stream.getvalue().removesuffix('\n').split('\r')[1:]
    assert first.startswith('1/100  loss 0.5000  10 min left  11 images/s') and first.endswith('neighbours 25.8 %')
    assert 'held out 0.6123' in second and '\n' not in stream.getvalue()[:-1]


@pytest.mark.parametrize('columns', [1, 12, 30, 60, 79])
def test_it_never_wraps(terminal, columns):
    stream = terminal(columns)
    line = LiveLine(10**6, 64, stream)
    line.show({'step': 0, 'probe/knn': 25.81, 'reconstruction/masked_loss': 0.5})
    line.show(record(99_999))
    line.show(record(100_000))
    shown = stream.getvalue().split('\r')[1:]
    assert len(shown) == 2 and all(len(text) <= max(1, columns - 1) for text in shown)
    if columns >= 30:  # in whole parts, the important ones first
        assert shown[0].rstrip().endswith(('left', '0.5000', 'images/s', 'out 0.5000'))


def test_what_a_longer_line_left_is_overwritten(terminal):
    stream = terminal(100)
    line = LiveLine(100, 64, stream)
    line.show(record(1, seconds=4000))
    line.show(record(2, seconds=0.001))
    first, second = stream.getvalue().split('\r')[1:]
    assert len(second) >= len(first.rstrip())


def test_what_is_not_a_number_is_shown_as_such(terminal):
    stream = terminal(100)
    LiveLine(100, 64, stream).show(dict(iter=3, loss=math.nan))
    LiveLine(100, 64, stream).show(dict(iter=3, loss=math.inf, time=0))
    LiveLine(100, 1, stream).show(record(3, seconds=4))
    first, second, slow = stream.getvalue().split('\r')[1:]
    assert first == '3/100  loss nan  unknown time left' and 'loss inf' in second and '0.25 images/s' in slow


class TestPace:

    def test_the_first_line_has_its_own_time(self):
        assert Pace(100, lambda: 7.).left(record(1, seconds=2)) == 198

    def test_then_the_clock_counts_with_all_that_comes_between(self):
        now = [0.]
        pace = Pace(100, lambda: now[0])
        pace.left(record(10, seconds=1))
        now[0] = 30  # ten steps of a second, and a validation of twenty
        assert pace.left(record(20, seconds=1)) == 3 * 80

    def test_after_a_resume_only_what_was_done_since_counts(self):
        now = [1000.]
        pace = Pace(100, lambda: now[0])
        assert pace.left(record(80, seconds=5)) == 100
        now[0] = 1010
        assert pace.left(record(90, seconds=5)) == 10

    def test_without_a_time_nothing_is_known(self):
        assert Pace(100).left(dict(iter=1, loss=1.)) is None and Pace(100).left(record(1, seconds=math.nan)) is None


@pytest.mark.parametrize('seconds, words', [
    (0, '0 s'), (49.5, '50 s'), (59.6, '1 min'), (90, '2 min'), (3599, '1 h 00 min'), (7260, '2 h 01 min'),
    (None, 'unknown time')
])
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
