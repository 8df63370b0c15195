"""The shell scripts pass on what they are given."""

import os
import subprocess

import pytest

from tests.commands.conftest import REPO


@pytest.fixture
def started(tmp_path):
    """A function that runs a script and returns the command line it ends in, and its PYTHONPATH."""
    for name in ('srun', 'python'):
        (tmp_path / name).write_text('#!/bin/sh\nfor argument; do echo "$argument"; done\necho "$PYTHONPATH"\n')
        (tmp_path / name).chmod(0o755)

    def started(script, *arguments, **variables):
        environment = {**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', **variables}
        environment.pop('PYTHON', None)
        lines = subprocess.run([REPO / 'tools' / script, *arguments], env=environment, cwd=tmp_path, check=True,
                               stdout=subprocess.PIPE, text=True).stdout.splitlines()
        return lines[:-1], lines[-1]

    return started


def test_dist_train(started):
    command, path = started('dist_train.sh', 'a config.py', '4', '--cfg-options', 'key="[a, b]"', PORT='1', NNODES='2',
                            NODE_RANK='1', MASTER_ADDR='host')
    assert command[:7] == ['-m', 'torch.distributed.run', '--nnodes=2', '--node_rank=1', '--master_addr=host',
                           '--master_port=1', '--nproc_per_node=4']
    assert command[7:] == [f'{REPO}/tools/train.py', 'a config.py', '--launcher', 'pytorch', '--cfg-options',
                           'key="[a, b]"']
    assert os.path.samefile(path.split(':')[0], REPO)


def test_dist_test(started):
    command, _ = started('dist_test.sh', 'config.py', 'model.pth', '2', '--out', 'x.json')
    assert command[6:] == ['--nproc_per_node=2', f'{REPO}/tools/test.py', 'config.py', 'model.pth', '--launcher',
                           'pytorch', '--out', 'x.json']


@pytest.mark.parametrize('script, tool, arguments', [
    ('slurm_train.sh', 'train.py', ['config.py', '--work-dir', 'work']),
    ('slurm_test.sh', 'test.py', ['config.py', 'work'])])
def test_slurm(started, script, tool, arguments):
    where = dict(GPUS='4', SRUN_ARGS='-q high -t 5')
    command, path = started(script, 'partition', 'job', 'config.py', 'work', '--amp', **where)
    assert command[:5] == ['-p', 'partition', '--job-name=job', '--gres=gpu:4', '--ntasks=4']
    assert command[command.index('-q'):] == ['-q', 'high', '-t', '5', 'python', '-u', f'{REPO}/tools/{tool}',
                                             *arguments, '--launcher', 'slurm', '--amp']
    assert os.path.samefile(path.split(':')[0], REPO)


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'])
def test_too_few_arguments(script):
    process = subprocess.run([REPO / 'tools' / script, 'config.py'], stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2 and process.stderr.startswith('usage: ')
