"""A warning is shown once, by whichever process comes first."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from mmengine.config import Config

from mmsimmim.commands.common import warnings_once
from mmsimmim.commands.config.loading import drop_idle_visualization

# What a command meets: filters that change, data loading workers, and a warning that one of these alone has.
COMMAND = """
import multiprocessing, os, runpy, sys, time, warnings
from pathlib import Path

def work(number):
    warnings.warn('from each worker')
    warnings.warn(f'from worker {number}')

def wait_for_all(step):
    Path(f'{step}_{os.getpid()}').touch()
    while len(list(Path().glob(f'{step}_*'))) < int(sys.argv[3]):
        time.sleep(0.01)

runpy.run_path(sys.argv[1])['show_warnings_once'](sys.argv[2])
wait_for_all('started')
for _ in range(3):
    with warnings.catch_warnings():
        warnings.simplefilter('always')
        warnings.warn('from each process')
workers = [multiprocessing.get_context('fork').Process(target=work, args=[number]) for number in range(2)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
"""
LAUNCHER = """
import subprocess, sys
processes = [subprocess.Popen([sys.executable, *sys.argv[1:]]) for _ in range(2)]
sys.exit(sum(process.wait() for process in processes))
"""


@pytest.mark.parametrize('launcher', ['none', 'pytorch'])
def test_each_warning_comes_once(tmp_path, launcher):
    if launcher == 'pytorch' and not Path('/proc/self/stat').exists():
        pytest.skip('processes of one launcher know of each other on Linux only')
    (tmp_path / 'command.py').write_text(COMMAND)
    command = ['command.py', warnings_once.__file__, launcher]
    command = [*command, '1'] if launcher == 'none' else ['-c', LAUNCHER, *command, '2']
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, 'TMPDIR': str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob('mmsimmim_warnings_*'))
    shown = sorted(line.split('UserWarning: ')[1] for line in done.stderr.splitlines() if 'UserWarning: ' in line)
    assert shown == ['from each process', 'from each worker', 'from worker 0', 'from worker 1']


@pytest.mark.parametrize('hook, stays', [
    (dict(type='SegVisualizationHook'), False), (dict(type='SegVisualizationHook', draw=True), True),
    (dict(type='mmseg.SegVisualizationHook', show=True), True), (dict(type='DetVisualizationHook'), True)])
def test_hooks_that_would_draw_nothing_are_left_out(hook, stays):
    cfg = Config(dict(default_hooks=dict(visualization=hook, timer=dict(type='IterTimerHook'))))
    drop_idle_visualization(cfg)
    assert ('visualization' in cfg.default_hooks) == stays and 'timer' in cfg.default_hooks


def test_folders_of_killed_commands_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(warnings_once.tempfile, 'gettempdir', lambda: str(tmp_path))
    dead = subprocess.Popen(['true'])
    dead.wait()
    for name, pid in (('dead', dead.pid), ('alive', os.getpid())):
        (tmp_path / f'mmsimmim_warnings_{name}').mkdir()
        (tmp_path / f'mmsimmim_warnings_{name}' / f'process_{pid}').touch()
    warnings_once._remove_abandoned()
    assert [path.name for path in tmp_path.iterdir()] == ['mmsimmim_warnings_alive']


def test_without_a_temporary_folder_warnings_stay_as_they_are(monkeypatch):
    def full(launcher):
        raise OSError('No space left on device')

    monkeypatch.setattr(warnings_once, '_make_folder', full)
    before = warnings.showwarning
    warnings_once.show_warnings_once('none')
    assert warnings.showwarning is before
