"""Signals end a process with the documented status, where it may be ended."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mmsimmim import interruption
from mmsimmim.interruption import Interrupted, handled_signals, looks_for_signals, requested
from tests.commands.conftest import REPO


@pytest.mark.parametrize('number', interruption.SAVING)
def test_a_signal_is_noted_where_the_run_looks_and_ends_it_elsewhere(number, capfd):
    before = signal.getsignal(number)
    with handled_signals():
        looks_for_signals(True)
        os.kill(os.getpid(), number)
        assert requested() is number
        os.kill(os.getpid(), signal.SIGTERM)  # of the same event
        assert requested() is number
    assert signal.getsignal(number) is before and requested() is None and not capfd.readouterr().err
    with pytest.raises(Interrupted) as ended, handled_signals():
        os.kill(os.getpid(), number)
    assert ended.value.code == 75 and isinstance(ended.value, SystemExit)
    assert number.name in capfd.readouterr().err


def test_sigint_never_waits():
    with pytest.raises(KeyboardInterrupt), handled_signals():
        looks_for_signals(True)
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize('number, end', [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Interrupted)])
def test_code_that_swallows_the_end_does_not_turn_it_into_an_error(number, end):
    with pytest.raises(end), handled_signals():
        try:
            os.kill(os.getpid(), number)
        except:  # noqa: E722
            raise SyntaxError('as yapf does') from None


def test_signals_that_are_ignored_or_handled_otherwise_are_left_alone(monkeypatch):
    seen = []
    before = [signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))]
    try:
        with handled_signals():
            for number in (signal.SIGHUP, signal.SIGUSR1):
                os.kill(os.getpid(), number)
            assert requested() is None and seen == [1]
    finally:
        for number, handler in zip((signal.SIGHUP, signal.SIGUSR1), before):
            signal.signal(number, handler)


PROGRAM = """
import os, signal, sys, time
from mmsimmim import interruption
with interruption.handled_signals():
    interruption.looks_for_signals(True)
    {}
"""


def run(lines):
    process = subprocess.run([sys.executable, '-c', PROGRAM.format(lines)], cwd=REPO, capture_output=True, text=True)
    assert 'Traceback' not in process.stderr
    return process.returncode


def test_a_second_signal_ends_the_process_at_once():
    assert run('interruption.SAME_EVENT = 0.05\n'
               '    os.kill(os.getpid(), signal.SIGTERM)\n'
               '    time.sleep(0.1)\n'
               '    os.kill(os.getpid(), signal.SIGHUP)\n'
               '    time.sleep(5)') == -signal.SIGHUP


def test_processes_that_load_data_let_the_first_signal_pass():
    reader, writer = os.pipe()
    with handled_signals():
        child = os.fork()
        if not child:
            os.write(writer, b'.')
            time.sleep(20)
            os._exit(3)
    os.read(reader, 1)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        os.kill(child, number)
        time.sleep(0.2)
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    os.kill(child, signal.SIGTERM)  # of a data loader that lost patience
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
