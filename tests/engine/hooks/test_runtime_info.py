"""Losses and norms of a training, noted without waiting for the device."""

import mmengine.hooks
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmsimmim.engine.deferred_history import DeferredHistory
from tests.engine.steps import SyncError, WithoutSyncs, make_samples
from tests.models.tiny import build

STEPS = 6


class WatchedSteps(mmengine.hooks.Hook):
    """Lets no step read a number from the device: from before the batch is known to after the last hook."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.watch, self.steps = None, 0

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx >= 1:  # the first step makes the histories
            self.watch = WithoutSyncs()
            self.watch.__enter__()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps += self.watch is not None
        self.end()

    def end(self):
        if self.watch:
            self.watch.__exit__(None, None, None)
            self.watch = None


def train(work_dir, runtime_info, watched=False, **kwargs):
    """Train the tiny model on samples in memory; a log line at the end only."""
    runner = Runner(
        model=build(preprocessor=dict(mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True)),
        work_dir=str(work_dir),
        train_dataloader=DataLoader(make_samples(4 * STEPS), batch_size=4, collate_fn=default_collate),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3, fused=True), clip_grad=dict(max_norm=0.1)),
        param_scheduler=dict(type='ConstantLR', factor=0.5, by_epoch=False, end=2),
        default_hooks=dict(runtime_info=dict(type=runtime_info), logger=dict(type='LoggerHook', interval=1000),
                           checkpoint=dict(type='mmsimmim.CheckpointHook', by_epoch=False, interval=3)),
        experiment_name=f'{work_dir.name}_{runtime_info}',
        default_scope='mmpretrain',
        randomness=dict(seed=0),
        **kwargs)
    watch = WatchedSteps()
    if watched:
        runner.register_hook(watch)
    try:
        runner.train()
    finally:
        watch.end()
    return runner, watch


@pytest.fixture(scope='module')
def ours(tmp_path_factory):
    return train(tmp_path_factory.mktemp('ours'), 'mmsimmim.RuntimeInfoHook', watched=True)


def numbers(runner):
    return {name: history.data[0].tolist() for name, history in runner.message_hub.log_scalars.items()
            if 'time' not in name}


def test_notes_what_mmengine_notes(ours, tmp_path):
    runner, _ = train(tmp_path, 'RuntimeInfoHook')
    expected, found = numbers(runner), numbers(ours[0])
    assert found == expected
    assert set(found) >= {'train/loss', 'train/grad_norm', 'train/lr'}
    assert len(set(found['train/loss'])) == len(found['train/grad_norm']) == STEPS


def test_no_step_waits(ours):
    runner, watch = ours
    assert watch.steps == STEPS - 1
    assert isinstance(runner.message_hub.get_scalar('train/grad_norm'), DeferredHistory)


def test_mmengines_waits(tmp_path):
    """So the test above can fail."""
    with pytest.raises(SyncError):
        train(tmp_path, 'RuntimeInfoHook', watched=True)


def test_checkpoint_holds_all_numbers_so_far(ours):
    runner, _ = ours
    checkpoint = torch.load(f'{runner.work_dir}/iter_3.pth', weights_only=True)
    history = checkpoint['message_hub']['log_scalars']['train/loss']
    assert type(history) is HistoryBuffer
    assert history.data[0].tolist() == numbers(runner)['train/loss'][:3]


def test_wraps_the_clipping_once(ours):
    """A second training with the same wrapper must not note every norm twice."""
    runner, _ = ours
    before = runner.optim_wrapper.clip_func
    next(hook for hook in runner.hooks if type(hook).__name__ == 'RuntimeInfoHook').before_train(runner)
    assert runner.optim_wrapper.clip_func is before
