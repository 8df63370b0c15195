"""A second run in a work folder is refused, as long as the first lives."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from mmsimmim.commands.common.folder_lock import NAME, locked
from mmsimmim.errors import UserError
from tests.commands.conftest import CONFIG, REPO

# Locks a folder, forks a child as a data loader does, says so, and waits.
HOLD = """
import os, sys, time
from mmsimmim.commands.common.folder_lock import locked
with locked(sys.argv[1:]) as warnings:
    worker = os.fork()
    if worker:
        print(os.getpid(), worker, *warnings, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold():
    """A function that has another process lock folders: the process, and the number of its worker."""
    started = []

    def hold(*folders):
        process = subprocess.Popen([sys.executable, '-c', HOLD, *map(str, folders)], cwd=REPO, stdout=subprocess.PIPE,
                                   text=True, env={**os.environ, 'PYTHONPATH': str(REPO)})
        started.append((process, int(process.stdout.readline().split()[1])))
        return process

    yield hold
    for process, worker in started:
        process.kill()
        process.wait()
        os.kill(worker, 9)


def test_a_second_run_is_refused_until_the_first_is_killed(hold, tmp_path, message_of):
    first = hold(tmp_path / 'out', tmp_path / 'work')
    with pytest.raises(UserError, match=f'work is in use by process {first.pid} on .* since 20'):
        with locked([str(tmp_path / 'work')]):
            pass
    message = message_of(CONFIG, '--work-dir', tmp_path / 'work', '--resume')  # nothing is read before
    assert f'in use by process {first.pid}' in message and '--work-dir PATH' in message
    with locked([str(tmp_path / 'other')]) as warnings:
        assert warnings == []
    first.kill()
    first.wait()
    with locked([str(tmp_path / 'work')]) as warnings:  # although its worker is still there
        assert warnings == [] and f'process {os.getpid()} on' in (tmp_path / 'work' / NAME).read_text()


def test_only_the_first_process_of_a_run_asks(hold, tmp_path, monkeypatch):
    hold(tmp_path)
    monkeypatch.setenv('RANK', '1')
    with locked([str(tmp_path)], 'pytorch'):
        pass
    monkeypatch.setenv('RANK', '0')
    with pytest.raises(UserError), locked([str(tmp_path)], 'pytorch'):
        pass


def test_file_systems_without_locks_are_warned_of(tmp_path, monkeypatch):

    def refuse(file, kind):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(fcntl, 'lockf', refuse)
    with locked([str(tmp_path)]) as (warning, ):
        assert warning.startswith(f'{tmp_path} cannot be locked (No locks available)')


def test_what_is_no_folder_is_left_to_others(tmp_path):
    (tmp_path / 'file').touch()
    with locked([str(tmp_path / 'file'), 's3://bucket/work']) as warnings:
        assert warnings == [] and os.listdir(tmp_path) == ['file']
