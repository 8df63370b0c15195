"""The demo's configs: one step each on its own images, without shrinking anything but the length."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.registry import MODELS
from tests.configs.downstream import without_gradient
from tests.configs.inferencers import check_detector, check_segmentor

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / 'configs' / 'demo').glob('*.py'))


@pytest.fixture(autouse=True)
def no_scope_stays():
    yield
    DefaultScope._instance_dict.clear()


def shorten(config, work_dir):
    """One step of two images, one image of validation, and random weights where pre-trained ones are expected."""
    config.train_cfg.update(max_iters=1, val_interval=1)
    config.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.val_dataloader.update(batch_size=1, num_workers=0, persistent_workers=False)
    config.val_dataloader.dataset.indices = 1
    config.default_hooks.checkpoint = None
    if config.default_scope == 'mmdet':
        config.model.test_cfg.score_thr = 0.  # an untrained detector is sure of nothing
    config.work_dir, config.experiment_name = str(work_dir), work_dir.name
    backbone = config.model.backbone
    if 'init_cfg' in backbone:
        encoder = MODELS.build({key: value for key, value in backbone.items() if key != 'init_cfg'})
        backbone.init_cfg.checkpoint = str(work_dir / 'pretrained.pth')
        torch.save({f'backbone.{name}': value for name, value in encoder.state_dict().items()},
                   backbone.init_cfg.checkpoint)
    return config


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_trains_and_predicts(path, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    runner = Runner.from_cfg(shorten(Config.fromfile(path), tmp_path))
    runner.train()
    history = runner.message_hub.log_scalars
    assert runner.iter == 1 and np.isfinite(history['train/loss'].current())
    assert any(name.startswith('val/') and np.isfinite(history[name].current()) for name in history
               if name not in ('val/time', 'val/data_time'))
    without = without_gradient(runner.model, runner.optim_wrapper.optimizer)
    assert not any(name.startswith('backbone.') for name in without)
    if 'test_dataloader' in runner.cfg:
        check = check_detector if runner.cfg.default_scope == 'mmdet' else check_segmentor
        check(runner.cfg, runner.model, runner.val_dataloader.dataset.get_data_info(0)['img_path'])
