"""At no moment the last whole checkpoint is missing."""

import os
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.runner.checkpoint import save_checkpoint

from mmsimmim.checkpoints.finder import find_checkpoint
from mmsimmim.engine.hooks import CheckpointHook, checkpoint


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
        with pytest.raises(Killed):
            save(hook, runner, 2)
    assert files(runner) == ['epoch_1.pth', 'epoch_2.pth.tmp']
    assert find_checkpoint([runner.work_dir]) == (os.path.join(runner.work_dir, 'epoch_1.pth'), [])

    runner.message_hub.update_info('keep_ckpt_ids', [1])  # as resuming from the first one would
    save(hook_for(runner, max_keep_ckpts=1), runner, 2)
    assert files(runner) == ['epoch_2.pth']


def test_other_storage_is_left_alone(runner):
    assert CheckpointHook(backend_args=dict(backend='local')).backend_args == dict(backend='local')
    assert CheckpointHook(out_dir='s3://bucket').backend_args is None
