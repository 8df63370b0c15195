"""The shell scripts pass on what they are given."""

import os
import subprocess

import pytest

from tests.commands.conftest import REPO


@pytest.fixture
def started(tmp_path):
    """A function that runs a script and returns the command line it ends in, and its PYTHONPATH."""
    for name in ('srun', 'sbatch', 'python'):
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
    assert command[:8] == ['-m', 'mmsimmim', 'launch', '--nnodes=2', '--node_rank=1', '--master_addr=host',
                           '--master_port=1', '--nproc_per_node=4']
    assert command[8:] == [f'{REPO}/tools/train.py', 'a config.py', '--launcher', 'pytorch', '--cfg-options',
                           'key="[a, b]"']
    assert os.path.samefile(path.split(':')[0], REPO)


def test_dist_test(started):
    command, _ = started('dist_test.sh', 'config.py', 'model.pth', '2', '--out', 'x.json')
    assert command[7:] == ['--nproc_per_node=2', f'{REPO}/tools/test.py', 'config.py', 'model.pth', '--launcher',
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


def test_slurm_requeue_submits_a_job_that_resumes(started, tmp_path):
    command, path = started('slurm_train.sh', '--requeue', 'partition', 'job', 'a config.py', 'a work', '--amp',
                            GPUS='16', GRACE='300', SRUN_ARGS='-t 5')
    assert command == [
        '-p', 'partition', '--job-name=job', '--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8', '--cpus-per-task=5',
        '--requeue', '--signal=USR1@300', '--open-mode=append', '--output=a work/slurm-%j.log', '-t', '5',
        f'{REPO}/tools/slurm_job.sh', f'{REPO}/tools', 'a config.py', 'a work', '--amp']
    assert os.path.samefile(path.split(':')[0], REPO)
    assert (tmp_path / 'a work').is_dir()  # where Slurm writes its log


@pytest.mark.parametrize('argument', ['--resume', '--resume=x.pth'])
def test_slurm_requeue_resumes_by_itself(started, argument):
    with pytest.raises(subprocess.CalledProcessError, match='exit status 2'):
        started('slurm_train.sh', '--requeue', 'partition', 'job', 'config.py', 'work', argument)


@pytest.mark.parametrize('status, sent, requeued', [(75, '', True), (75, 'kill -TERM $PPID; ', True), (0, '', False),
                                                    (1, '', False), (143, '', False)])
def test_slurm_job_comes_again_after_an_interruption_alone(tmp_path, status, sent, requeued):
    (tmp_path / 'srun').write_text(f'#!/bin/sh\n{sent}for argument; do echo "$argument"; done > srun.txt\n'
                                   f'exit {status}\n')
    (tmp_path / 'scontrol').write_text('#!/bin/sh\necho "$@" > scontrol.txt\n')
    for name in ('srun', 'scontrol'):
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'SLURM_JOB_ID': '17', 'PYTHON': 'py'}
    process = subprocess.run([REPO / 'tools' / 'slurm_job.sh', 'tools', 'a config.py', 'work', '--amp'],
                             env=environment, cwd=tmp_path)
    assert process.returncode == status
    assert (tmp_path / 'srun.txt').read_text().splitlines() == [
        '--kill-on-bad-exit=1', '--cpus-per-task=1', 'py', '-u', 'tools/train.py', 'a config.py', '--work-dir', 'work',
        '--launcher', 'slurm', '--resume', '--amp']
    note = tmp_path / 'scontrol.txt'
    assert (note.read_text() if note.exists() else None) == ('requeue 17\n' if requeued else None)


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'])
def test_too_few_arguments(script):
    process = subprocess.run([REPO / 'tools' / script, 'config.py'], stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2 and process.stderr.startswith('usage: ')
