"""At no moment the last whole checkpoint is missing."""

import os
import shutil
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.logging import MessageHub
from mmengine.runner.checkpoint import save_checkpoint

from mmsimmim.checkpoints.resuming.finder import find_checkpoint
from mmsimmim.engine.hooks import CheckpointHook, checkpoint
from mmsimmim.engine.hooks.resuming.own_folder import OwnFolderHook


class Killed(BaseException):
    """Stands for a kill."""


class Runner(SimpleNamespace):
    """As much of a runner as the hook needs."""

    def save_checkpoint(self, out_dir, filename, file_client_args=None, backend_args=None, **kwargs):
        save_checkpoint(dict(weight=torch.ones(1000)), os.path.join(out_dir, filename), backend_args=backend_args)


@pytest.fixture
def runner(tmp_path):
    hub = MessageHub.get_instance(f'hub of {tmp_path}')
    logger = SimpleNamespace(info=lambda message: None)
    return Runner(work_dir=str(tmp_path), epoch=0, iter=0, message_hub=hub, logger=logger, hooks=[],
                  model=torch.nn.Linear(2, 1), optim_wrapper=None)


def hook_for(runner, **arguments):
    hook = CheckpointHook(interval=1, **arguments)
    hook.before_train(runner)
    return hook


def save(hook, runner, epoch):
    runner.epoch = epoch - 1
    hook._save_checkpoint(runner)


def files(runner):
    return sorted(name for name in os.listdir(runner.work_dir) if '.pth' in name)


@pytest.mark.parametrize('keep', [1, 2, -1])
def test_keeps_the_last_ones(runner, keep):
    hook = hook_for(runner, max_keep_ckpts=keep)
    for epoch in range(1, 5):
        save(hook, runner, epoch)
    kept = range(1, 5) if keep == -1 else range(5 - keep, 5)
    assert files(runner) == [f'epoch_{epoch}.pth' for epoch in kept]


def test_goes_on_deleting_after_a_resume(runner):
    save(hook_for(runner, max_keep_ckpts=1), runner, 1)
    save(hook_for(runner, max_keep_ckpts=1), runner, 2)
    assert files(runner) == ['epoch_2.pth']


def test_saving_the_same_epoch_again_deletes_nothing(runner):
    hook = hook_for(runner, max_keep_ckpts=1)
    save(hook, runner, 1), save(hook, runner, 1)
    assert files(runner) == ['epoch_1.pth']


@pytest.mark.parametrize('moment', ['fsync', 'replace'])
def test_a_kill_while_writing_leaves_the_one_before(runner, monkeypatch, moment):
    hook = hook_for(runner, max_keep_ckpts=1)
    save(hook, runner, 1)

    def kill(*args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, moment, kill)
        patch.setattr(checkpoint.os, 'remove', kill)  # who is killed tidies nothing up
        with pytest.raises(Killed):
            save(hook, runner, 2)
    assert files(runner) == ['epoch_1.pth', 'epoch_2.pth.tmp']
    assert find_checkpoint([runner.work_dir]) == (os.path.join(runner.work_dir, 'epoch_1.pth'), [])

    runner.message_hub.update_info('keep_ckpt_ids', [1])  # as resuming from the first one would
    save(hook_for(runner, max_keep_ckpts=1), runner, 2)
    assert files(runner) == ['epoch_2.pth']


def best(hook, runner, epoch, **scores):
    runner.epoch = epoch
    hook._save_best_checkpoint(runner, scores)


def resume(folder, runner):
    """A runner in another folder, with what a checkpoint says."""
    hub = MessageHub.get_instance(f'hub of {folder}')
    hub.load_state_dict(runner.message_hub.state_dict())
    folder.mkdir(exist_ok=True)
    return Runner(**{**vars(runner), 'work_dir': str(folder), 'message_hub': hub})


@pytest.mark.parametrize('names', [['acc'], ['acc', 'mIoU']])
def test_the_best_of_another_run_stays_and_is_not_this_ones(runner, tmp_path, names):
    best(hook_for(runner, save_best=names), runner, 1, acc=1., mIoU=1.)
    there = files(runner)
    new = resume(tmp_path / 'new', runner)
    hook = hook_for(new, save_best=names)
    best(hook, new, 2, acc=0.5, mIoU=2.)
    assert files(runner) == there == [f'best_{name}_epoch_1.pth' for name in names]
    assert files(new) == [f'best_{name}_epoch_2.pth' for name in names]
    best(hook, new, 3, acc=0.7, mIoU=1.)
    assert files(new) == ['best_acc_epoch_3.pth', 'best_mIoU_epoch_2.pth'][:len(names)]


def test_a_copied_folder_has_its_own_best(runner, tmp_path):
    runner.work_dir = str(tmp_path / 'old')
    best(hook_for(runner, save_best='acc'), runner, 1, acc=1.)
    shutil.copytree(tmp_path / 'old', tmp_path / 'copy')
    copy = resume(tmp_path / 'copy', runner)
    hook = hook_for(copy, save_best='acc')
    best(hook, copy, 2, acc=0.5)
    assert files(copy) == ['best_acc_epoch_1.pth'] == files(runner)
    best(hook, copy, 3, acc=2.)
    assert files(copy) == ['best_acc_epoch_3.pth'] and files(runner) == ['best_acc_epoch_1.pth']


def test_numbers_of_files_to_keep_are_not_those_of_another_folder(runner, tmp_path):
    save(hook_for(runner, max_keep_ckpts=2), runner, 1)
    new = resume(tmp_path / 'new', runner)
    new._load_from = f'{runner.work_dir}/epoch_1.pth'
    shutil.copy(new._load_from, tmp_path / 'new')  # of whatever run
    hook = hook_for(new, max_keep_ckpts=2)
    save(hook, new, 2), save(hook, new, 3)
    assert files(new) == ['epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']
    save(hook, new, 4)
    assert files(new) == ['epoch_1.pth', 'epoch_3.pth', 'epoch_4.pth']


def test_mmengines_own_hook_keeps_to_the_folder_too(runner, tmp_path):
    best(hook_for(runner, save_best='acc'), runner, 1, acc=1.)
    new = resume(tmp_path / 'new', runner)
    new.hooks = [MMEngineCheckpointHook(save_best='acc')]
    OwnFolderHook().before_train(new)
    new.hooks[0].before_train(new)
    best(new.hooks[0], new, 2, acc=2.)
    assert files(runner) == ['best_acc_epoch_1.pth'] and files(new) == ['best_acc_epoch_2.pth']


def test_a_kill_while_writing_leaves_the_best_before(runner, monkeypatch):
    hook = hook_for(runner, save_best='acc')
    best(hook, runner, 1, acc=1.)

    def kill(*args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, 'replace', kill)
        with pytest.raises(Killed):
            best(hook, runner, 2, acc=2.)
    assert 'best_acc_epoch_1.pth' in files(runner)


def test_other_storage_is_left_alone(runner):
    assert CheckpointHook(backend_args=dict(backend='local')).backend_args == dict(backend='local')
    assert CheckpointHook(out_dir='s3://bucket').backend_args is None
