"""A training run that is killed and resumed ends with the weights of one that was not."""

import os
import runpy
import signal
import sys

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner.loops import _InfiniteDataloaderIterator

import mmsimmim  # noqa: F401  lets torch read MMEngine's checkpoints
from mmsimmim.datasets import ImageFolder
from tests.commands.conftest import CONFIG, REPO


@pytest.fixture(scope='module')
def train(run_tool):
    """A function that runs tools/train.py on the tiny model."""

    def train(work_dir, *arguments, options=()):
        return run_tool('tools/train.py', CONFIG, '--work-dir', work_dir, *arguments, options=options)

    return train


@pytest.fixture(scope='module')
def uninterrupted(train, tmp_path_factory):
    """The checkpoint and the output of a run from beginning to end."""
    folder = tmp_path_factory.mktemp('uninterrupted')
    code, output = train(folder)
    assert code == 0, output
    return torch.load(folder / 'epoch_4.pth', weights_only=True), output


def assert_identical(ours, theirs):
    """Bit for bit, tensors or anything else, however nested."""
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_identical(ours[key], theirs[key])
    elif isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs):
            assert_identical(*pair)
    else:
        assert ours == theirs


def killer(name, **moment):
    """Options that add a hook of killers.py."""
    return [f'default_hooks.killer.type=mmsimmim.{name}',
            *(f'default_hooks.killer.{key}={value}' for key, value in moment.items())]


def read_logs(folder):
    return ''.join(path.read_text() for path in folder.glob('*/*.log'))


def assert_same_end(folder, uninterrupted):
    resumed = torch.load(folder / 'epoch_4.pth', weights_only=True)
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_identical(resumed[part], uninterrupted[part])


@pytest.mark.slow
def test_progress_and_time_left_are_shown(uninterrupted):
    assert 'Epoch(train) [4][3/3]' in uninterrupted[1] and 'eta: ' in uninterrupted[1]


@pytest.mark.slow
def test_killed_between_and_during_checkpoints(train, uninterrupted, tmp_path):
    code, output = train(tmp_path, options=killer('KillAfterIteration', iteration=5))
    assert code == -signal.SIGKILL, output
    assert sorted(file.name for file in tmp_path.glob('*.pth*')) == ['epoch_1.pth']

    code, output = train(tmp_path, '--resume', options=killer('KillDuringSave', epoch=3))
    assert code == -signal.SIGKILL, output
    assert 'resumed epoch: 1, iter: 3' in output
    assert sorted(file.name for file in tmp_path.glob('*.pth*')) == ['epoch_2.pth', 'epoch_3.pth.tmp']

    code, output = train(tmp_path, '--resume')
    assert code == 0, output
    assert f'Resuming from {tmp_path}/epoch_2.pth' in output and 'resumed epoch: 2, iter: 6' in output
    assert sorted(file.name for file in tmp_path.glob('*.pth*')) == ['epoch_4.pth']
    assert_same_end(tmp_path, uninterrupted[0])


@pytest.mark.slow
def test_killed_while_mmengines_hook_writes_in_place(train, uninterrupted, tmp_path):
    plain = ['default_hooks.checkpoint.type=CheckpointHook', 'default_hooks.checkpoint.max_keep_ckpts=2']
    code, output = train(tmp_path, options=[*plain, *killer('KillDuringSave', epoch=2)])
    assert code == -signal.SIGKILL, output
    assert os.path.getsize(tmp_path / 'epoch_2.pth') < os.path.getsize(tmp_path / 'epoch_1.pth')

    code, output = train(tmp_path, '--resume', options=plain)
    assert code == 0, output
    assert f'The checkpoint {tmp_path}/epoch_2.pth is not used: it is cut off' in output
    assert f'Resuming from {tmp_path}/epoch_1.pth' in output
    assert_same_end(tmp_path, uninterrupted[0])


@pytest.fixture
def train_here(monkeypatch, images):
    """A function that runs tools/train.py in this process, in a loop counted in iterations."""

    def train_here(folder, *arguments, options=()):
        MessageHub._instance_dict.clear()  # a run that begins within the same second would go on with the last one's
        monkeypatch.setattr(sys, 'argv', [
            'train.py', str(CONFIG), '--no-validate', '--work-dir', str(folder), *arguments, '--cfg-options',
            f'train_dataloader.dataset.data_root={images}', 'train_dataloader.batch_size=4',
            'train_dataloader.sampler.type=mmsimmim.SeededInfiniteSampler',
            'train_cfg._delete_=True', 'train_cfg.type=IterBasedTrainLoop',
            'param_scheduler.convert_to_iter_based=False', 'param_scheduler.by_epoch=False', 'param_scheduler.end=10',
            'default_hooks.checkpoint.by_epoch=False', 'default_hooks.checkpoint.interval=3',
            'default_hooks.checkpoint.max_keep_ckpts=-1', *options])
        runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')

    return train_here


# The fork's loop skips as ours does; upstream's reads again what came before.
PLAIN_LOOP_READS = 1 if hasattr(_InfiniteDataloaderIterator, 'skip_iter') else 10


@pytest.mark.parametrize('loop, workers, batches_read', [
    ('IterBasedTrainLoop', 0, PLAIN_LOOP_READS), ('mmsimmim.IterBasedTrainLoop', 0, 1),
    ('mmsimmim.IterBasedTrainLoop', 1, 0)])
def test_loops_counted_in_iterations_resume_within_a_pass(train_here, tmp_path, monkeypatch, loop, workers,
                                                          batches_read):
    kind = [f'train_cfg.type={loop}', f'train_dataloader.num_workers={workers}']
    train_here(tmp_path / 'whole', options=['train_cfg.max_iters=10', 'randomness.seed=5', *kind])
    train_here(tmp_path / 'parts', options=['train_cfg.max_iters=9', 'randomness.seed=5', *kind])
    read = []
    get = ImageFolder.__getitem__
    monkeypatch.setattr(ImageFolder, '__getitem__', lambda self, index: read.append(index) or get(self, index))
    train_here(tmp_path / 'parts', '--resume', options=['train_cfg.max_iters=10', 'randomness.seed=None', *kind])
    assert len(read) == 4 * batches_read  # in this process
    whole, parts = (torch.load(tmp_path / name / 'iter_10.pth', weights_only=True) for name in ('whole', 'parts'))
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_identical(parts[part], whole[part])
    earlier = torch.load(tmp_path / 'whole' / 'iter_9.pth', weights_only=True)['state_dict']
    assert any(not torch.equal(earlier[name], value) for name, value in whole['state_dict'].items())


def test_a_longer_run_follows_its_own_schedule_and_a_finished_one_says_so(train_here, tmp_path):
    def length(number):
        return [f'train_cfg.max_iters={number}', f'param_scheduler.end={number}', 'train_dataloader.num_workers=0',
                'default_hooks.logger.interval=1']

    def logs():
        return ''.join(path.read_text() for path in (tmp_path / 'parts').glob('*/*.log'))

    train_here(tmp_path / 'whole', options=length(6))
    train_here(tmp_path / 'parts', options=length(3))
    train_here(tmp_path / 'parts', '--resume', options=length(6))
    whole, parts = (torch.load(tmp_path / name / 'iter_6.pth', weights_only=True) for name in ('whole', 'parts'))
    assert_identical(parts['param_schedulers'], whole['param_schedulers'])
    rates = [run['message_hub']['log_scalars']['train/lr'].data[0].tolist() for run in (parts, whole)]
    assert rates[0][3:] == rates[1][3:] and rates[0][:3] != rates[1][:3]
    assert "end: 6 in the config, 3 in the checkpoint; the config's holds." in logs()
    assert 'The run has finished' not in logs()
    train_here(tmp_path / 'parts', '--resume', options=length(6))
    assert 'The run has finished' in logs()


@pytest.fixture
def epochs_here(monkeypatch, images):
    """A function that runs tools/train.py in this process, in the tiny config's loop of epochs; the exit status."""

    def epochs_here(folder, *arguments, options=()):
        MessageHub._instance_dict.clear()
        MMLogger._instance_dict.clear()  # likewise
        monkeypatch.setattr(sys, 'argv', [
            'train.py', str(CONFIG), '--work-dir', str(folder), *arguments, '--cfg-options',
            f'train_dataloader.dataset.data_root={images}', f'val_dataloader.dataset.data_root={images}',
            'train_dataloader.num_workers=0', 'train_cfg.max_epochs=3', 'param_scheduler.end=3',
            'default_hooks.checkpoint.max_keep_ckpts=-1', 'default_hooks.ema.type=EMAHook', *options])
        try:
            runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')
        except SystemExit as end:
            return end.code

    return epochs_here


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    """A place for whole runs, by their options."""
    return tmp_path_factory.mktemp('undisturbed')


@pytest.mark.parametrize('moment, iteration, options', [
    (dict(iteration=5, number=int(signal.SIGHUP)), 5, ['train_dataloader.num_workers=1']),
    (dict(iteration=6, number=int(signal.SIGUSR1)), 6, []),  # the last of an epoch
    (dict(iteration=6, validating=True), 6, []),
    # gradients of half an update would be lost
    (dict(iteration=5), 6, ['optim_wrapper.accumulative_counts=2']),
])
def test_interrupted_runs_go_on_at_the_next_step(epochs_here, undisturbed, tmp_path, moment, iteration, options):
    whole = undisturbed / ('accumulated' if 'optim_wrapper.accumulative_counts=2' in options else 'plain')
    if not whole.exists():
        assert epochs_here(whole, options=options) is None
    assert epochs_here(tmp_path, options=[*options, *killer('SignalAfterIteration', **moment)]) == 75
    assert read_logs(tmp_path).count('Interrupted by SIG') == 1
    regular = {f'epoch_{epoch}.pth' for epoch in (1, 2) if 3 * epoch < iteration + moment.get('validating', False)}
    assert {path.name for path in tmp_path.glob('*.pth*')} == regular | {f'interrupted_iter_{iteration}.pth'}

    assert epochs_here(tmp_path, '--resume', options=options) is None
    assert {path.name for path in tmp_path.glob('*.pth*')} == {'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth'}
    ends = [torch.load(folder / 'epoch_3.pth', weights_only=True) for folder in (tmp_path, whole)]
    for part in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        assert_identical(*(end[part] for end in ends))
    assert [end['meta'][key] for end in ends for key in ('epoch', 'iter')] == [3, 9, 3, 9]
    assert 'Epoch(val) [2][1/1]' in read_logs(tmp_path)  # was not left out


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(run_tool, tmp_path):
    def train(folder, *arguments, options=()):
        return run_tool('tools/dist_train.sh', CONFIG, 2, '--work-dir', tmp_path / folder, *arguments, PORT='29619',
                        options=['train_dataloader.batch_size=4', 'train_cfg.max_epochs=2', 'param_scheduler.end=2',
                                 *options])

    assert train('whole')[0] == 0
    moment = dict(iteration=2, number=int(signal.SIGUSR1), launcher=True)
    code, output = train('parts', options=killer('SignalAfterIteration', **moment))
    assert code == 75 and output.count('Interrupted by SIGUSR1') == 1 and 'Traceback' not in output, output
    (file, ) = (tmp_path / 'parts').glob('*.pth*')
    assert file.name in ('interrupted_iter_2.pth', 'interrupted_iter_3.pth')
    code, output = train('parts', '--resume')
    assert code == 0, output
    ends = [torch.load(tmp_path / name / 'epoch_2.pth', weights_only=True) for name in ('parts', 'whole')]
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_identical(*(end[part] for end in ends))
    assert not file.exists()
