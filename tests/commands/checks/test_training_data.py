"""A training without a step is refused before its model is built."""

import runpy
import sys
from types import SimpleNamespace

import pytest
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner

from mmsimmim.commands.checks.training_data import load_training_data
from mmsimmim.errors import UserError
from mmsimmim.models import SimMIM
from tests.commands.conftest import CONFIG, REPO
from tests.datasets.checks.synthetic import CocoFolder


class Built(Exception):
    """The model was built."""


@pytest.fixture
def train(monkeypatch, images, tmp_path):
    """A function that runs tools/train.py until it builds the model."""
    def build(*args, **kwargs):
        raise Built

    monkeypatch.setattr(SimMIM, '__init__', build)

    def train(*options):
        monkeypatch.setattr(sys, 'argv', [
            'train.py', str(CONFIG), '--no-validate', '--work-dir', str(tmp_path), '--cfg-options',
            f'train_dataloader.dataset.data_root={images}', 'train_dataloader.num_workers=0', *options])
        runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')

    return train


@pytest.mark.parametrize('option, message', [
    ('train_cfg.max_epochs=0', r'train_cfg\.max_epochs is 0'),
    ('train_dataloader.batch_size=1000', r'fewer than one batch \(batch_size 1000\).*drop_last')])
def test_no_step_is_refused_before_the_model(train, option, message):
    with pytest.raises(SystemExit, match=message):
        train(option)


def test_one_step_is_enough(train):
    with pytest.raises(Built):
        train('train_dataloader.batch_size=1000', 'train_dataloader.drop_last=False')


def stub(loader, **train_cfg):
    return SimpleNamespace(_train_dataloader=dict(batch_size=8, num_workers=0) | loader, seed=0, _randomness_cfg={},
                           cfg=dict(train_cfg=train_cfg), build_dataloader=Runner.build_dataloader)


@pytest.mark.parametrize('sampler, loop, fits', [
    ('SeededSampler', 'EpochBasedTrainLoop', False), ('SeededInfiniteSampler', 'IterBasedTrainLoop', True),
    ('SeededSampler', 'IterBasedTrainLoop', False), ('SeededInfiniteSampler', 'EpochBasedTrainLoop', False)])
def test_an_endless_stream_fills_any_batch(images, sampler, loop, fits):
    runner = stub(dict(batch_size=100, drop_last=True, sampler=dict(type=f'mmsimmim.{sampler}'),
                       dataset=dict(type='mmsimmim.ImageFolder', data_root=str(images), pipeline=[])),
                  type=f'mmsimmim.{loop}' if loop.startswith('Iter') else loop)
    if fits:
        load_training_data(runner)
        assert not isinstance(runner._train_dataloader, dict)
    else:
        with pytest.raises(UserError, match='27 images .* fewer than one batch'):
            load_training_data(runner)


@pytest.mark.parametrize('min_size, annotated', [(32, True), (0, False)])
def test_a_filter_that_leaves_nothing_is_named(tmp_path, min_size, annotated):
    pytest.importorskip('mmdet')
    folder = CocoFolder(tmp_path)  # of images of 40 x 30
    if not annotated:
        folder.write('train', folder.read('train') | dict(annotations=[]))
    dataset = folder.config().train_dataloader.dataset.dataset
    dataset.filter_cfg.min_size = min_size
    runner = stub(dict(sampler=dict(type='DefaultSampler'), dataset=dict(type='RepeatDataset', times=2,
                                                                         dataset=dict(dataset))))
    init_default_scope('mmdet')
    try:
        with pytest.raises(UserError, match=rf"no sample to train on .*train\.json.*min_size': {min_size}"):
            load_training_data(runner)
    finally:
        DefaultScope._instance_dict.clear()
