"""Checkpoints that are written after a validation say which step they are of, whatever runner writes them."""

import pytest
import torch
from mmengine.runner import FlexibleRunner, Runner

import mmsimmim  # noqa: F401
from tests.engine.hooks.test_ema import run


@pytest.mark.parametrize('kind, settings', [
    (Runner, {}), (FlexibleRunner, {}), (FlexibleRunner, dict(strategy=dict(type='mmsimmim.FSDPStrategy')))],
    ids=['Runner', 'FlexibleRunner', 'FSDPStrategy'])
def test_epoch_and_iteration_are_those_that_the_hook_gives(tmp_path, kind, settings):
    run(kind, tmp_path, 'mmsimmim.EMAHook', epochs=1, **settings)
    for name in ('best_output_epoch_1.pth', 'epoch_1.pth'):
        meta = torch.load(tmp_path / name, weights_only=True)['meta']
        assert (meta['epoch'], meta['iter']) == (1, 2), name
