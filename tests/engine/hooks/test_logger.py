"""The first lines of a training come soon, and the last one is not lost."""

import json
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader, TensorDataset

CONFIGS = Path(__file__).parents[3] / 'configs'


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, mode):
        return dict(loss=((x - self.weight)**2).mean())


def lines_of(work_dir, epoch_length, interval, train_cfg, hook='mmsimmim.LoggerHook', **kwargs):
    """The iterations of the lines that a training writes; in trainings by epoch, (epoch, iteration)."""
    by_epoch = 'max_epochs' in train_cfg
    runner = Runner(
        model=Line(),
        work_dir=str(work_dir),
        train_dataloader=DataLoader(TensorDataset(torch.ones(epoch_length))),
        train_cfg=dict(by_epoch=by_epoch, **train_cfg),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(logger=dict(type=hook, interval=interval),
                           checkpoint=dict(type='CheckpointHook', by_epoch=by_epoch)),
        log_processor=dict(by_epoch=by_epoch),
        experiment_name=f'{work_dir}_{hook}_{len(kwargs)}',
        **kwargs)
    runner.train()
    log, = Path(runner.log_dir).glob('*.log')
    found = re.findall(r'(?:Epoch|Iter)\(train\) +(?:\[ *(\d+)\])?\[ *(\d+)/', log.read_text())
    return [(int(epoch), int(step)) if epoch else int(step) for epoch, step in found]


@pytest.mark.parametrize('epoch_length, interval, train_cfg, expected', [
    (49, 100, dict(max_epochs=3), [(1, 1), (1, 2), (1, 5), (1, 10), (1, 20), (1, 49), (2, 1), (2, 49), (3, 49)]),
    (7, 4, dict(max_epochs=2), [(1, 1), (1, 2), (1, 4), (2, 4), (2, 7)]),
    (250, 100, dict(max_epochs=1), [(1, 1), (1, 2), (1, 5), (1, 10), (1, 20), (1, 50), (1, 100), (1, 200), (1, 250)]),
    (30, 20, dict(max_iters=50), [1, 2, 5, 10, 20, 40, 50]),
    (3, 1, dict(max_iters=3), [1, 2, 3]),
], ids=['short epochs', 'shorter interval', 'long epochs', 'iterations', 'each'])
def test_lines_of_a_training(tmp_path, epoch_length, interval, train_cfg, expected):
    assert lines_of(tmp_path, epoch_length, interval, train_cfg) == expected


def test_mmengine_is_silent_for_an_epoch_and_at_the_end(tmp_path):
    """Why there is a hook of our own."""
    assert lines_of(tmp_path / 'short', 49, 100, dict(max_epochs=1), 'LoggerHook') == [(1, 49)]
    assert lines_of(tmp_path / 'end', 30, 20, dict(max_iters=50), 'LoggerHook') == [20, 40]


def test_how_much_data_there_is_is_logged_once(tmp_path):
    lines_of(tmp_path, 7, 100, dict(max_epochs=2))
    for path in tmp_path.glob('*/vis_data/*.json'):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert rows[0] == {'data/train_images': 7, 'step': 0}
        assert not any('data/train_images' in row for row in rows[1:]) and rows[-1]['iter'] == 14


def test_a_resumed_training_shows_soon_that_it_runs(tmp_path):
    lines_of(tmp_path, 6, 100, dict(max_epochs=1))
    lines = lines_of(tmp_path, 6, 100, dict(max_epochs=2), resume=True)
    assert lines[-4:] == [  # both may have begun in one second, and so share a file
        (2, 1), (2, 2), (2, 5), (2, 6)]


@pytest.mark.parametrize('path', [
    '_base_/default_runtime.py', '_base_/cls_runtime.py', '_base_/det_runtime.py', '_base_/seg_runtime.py',
    '_base_/iters_runtime.py', *(f'demo/{path.name}' for path in sorted((CONFIGS / 'demo').glob('*.py')))])
def test_every_runtime_has_the_hook(path):
    assert Config.fromfile(CONFIGS / path).default_hooks.logger.type == 'mmsimmim.LoggerHook'
