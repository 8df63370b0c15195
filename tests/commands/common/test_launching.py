"""--devices puts the launcher in the place of the command."""

import os
import sys

import pytest

from mmsimmim.commands.common import launching
from mmsimmim.errors import UserError
from mmsimmim.shipped import PACKAGE


@pytest.fixture
def started(monkeypatch):
    calls = []
    monkeypatch.setattr(launching.os, 'execve', lambda *call: calls.append(call))
    return calls


@pytest.mark.parametrize('devices', [None, 1])
def test_one_device_is_this_process(devices, started):
    launching.spread('train', devices, 'none')
    assert not started


@pytest.mark.parametrize('option', [['--devices', '3'], ['--devices=3']])
def test_several_devices_get_all_other_arguments(option, started, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmsimmim train', 'a b.py', *option, '--resume'])
    monkeypatch.setenv('PYTHONPATH', 'mine')
    launching.spread('train', 3, 'none')
    (program, line, environment), = started
    assert [program, *line[1:]] == [sys.executable, '-m', 'mmsimmim', 'launch', '--standalone', '--nproc_per_node=3',
                                    '-m', 'mmsimmim', 'train', 'a b.py', '--resume', '--launcher', 'pytorch']
    assert environment['PYTHONPATH'] == f'{PACKAGE.parent}{os.pathsep}mine'


@pytest.mark.parametrize('devices, launcher, message', [(0, 'none', 'must be at least 1, got 0'),
                                                        (2, 'slurm', '--launcher slurm has started some')])
def test_what_cannot_be_is_told(devices, launcher, message, started):
    with pytest.raises(UserError, match=message):
        launching.spread('train', devices, launcher)
    assert not started
