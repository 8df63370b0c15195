"""A step of pre-training, as the shipped configs do it, makes the processor wait for the GPU nowhere.

Every kind of waiting is an error here: numbers fetched, copies that block, sizes only the device knows.
"""

import mmengine.hooks
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmsimmim.datasets import collate_masked
from mmsimmim.engine.compiling import read_switch
from mmsimmim.models import SimMIM
from tests.engine.steps import make_samples
from tests.models.tiny import build

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')

RUNTIME = 'configs/_base_/default_runtime.py'
SCHEDULE = 'configs/_base_/schedules/simmim_100e.py'
STEPS = 12
# Compiling, autotuning and first allocations wait.
WARMUP = 6


class EveryWaitIsAnError(mmengine.hooks.Hook):
    """From the batch at hand to the last hook of the step; reading the batch, which pins it, is outside."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.steps = 0

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx >= WARMUP:
            torch.cuda.set_sync_debug_mode('error')

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps += torch.cuda.get_sync_debug_mode() == 2
        torch.cuda.set_sync_debug_mode('default')


def train(work_dir, compiled):
    runtime, schedule = Config.fromfile(RUNTIME), Config.fromfile(SCHEDULE)
    hooks = dict(runtime.default_hooks, logger=dict(type='LoggerHook', interval=1000))
    del hooks['reconstruction']  # it has no validation images to draw
    switch = Config(dict(compile=compiled))
    read_switch(switch)
    loader = DataLoader(make_samples(4 * STEPS), batch_size=4, collate_fn=collate_masked, pin_memory=True)
    runner = Runner(
        model=build(preprocessor=dict(type='mmsimmim.SimMIMDataPreprocessor', mean=[120.] * 3, std=[60.] * 3,
                                      bgr_to_rgb=True)),
        work_dir=str(work_dir),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=schedule.optim_wrapper,
        param_scheduler=dict(schedule.param_scheduler, warmup=0),
        default_hooks=hooks,
        custom_hooks=switch.get('custom_hooks'),
        experiment_name=work_dir.name,
        default_scope='mmpretrain',
        randomness=dict(seed=0))
    watch = EveryWaitIsAnError()
    runner.register_hook(watch)
    try:
        runner.train()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return runner, watch


@pytest.mark.parametrize('compiled', [False, True])
def test_no_step_waits(tmp_path, compiled):
    runner, watch = train(tmp_path, compiled)
    assert watch.steps == STEPS - WARMUP
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == STEPS and all(losses > 0)


def test_a_wait_is_noticed(tmp_path, monkeypatch):
    """So the test above can fail."""
    loss = SimMIM.loss
    monkeypatch.setattr(SimMIM, 'loss', lambda self, *args: (torch.ones(1, device='cuda').item(), loss(self, *args))[1])
    with pytest.raises(RuntimeError, match='synchroniz'):
        train(tmp_path, compiled=False)
