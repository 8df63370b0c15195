"""A validation or a test without anything to score is refused before the model is built."""

import runpy
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner

from mmsimmim.commands.checks.evaluation_data import load_evaluation_data
from mmsimmim.commands.common import test_sets
from mmsimmim.errors import UserError
from mmsimmim.models import SimMIM
from tests.commands.conftest import CONFIG, REPO
from tests.datasets.checks.synthetic import CocoFolder, PairFolder


class Built(Exception):
    """The model was built."""


@pytest.fixture
def run(monkeypatch, images, tmp_path):
    """A function that runs tools/train.py or tools/test.py until it builds the model."""
    def build(*args, **kwargs):
        raise Built

    monkeypatch.setattr(SimMIM, '__init__', build)
    torch.save(dict(state_dict={}, meta={}), tmp_path / 'model.pth')

    def run(tool, *options):
        roots = [f'{loader}_dataloader.dataset.data_root={images}' for loader in ('train', 'val', 'test')]
        checkpoint = [str(tmp_path / 'model.pth')] if tool == 'test' else []
        monkeypatch.setattr(sys, 'argv', [f'{tool}.py', str(CONFIG), *checkpoint, '--work-dir', str(tmp_path / 'work'),
                                          '--cfg-options', *roots, *options])
        runpy.run_path(str(REPO / 'tools' / f'{tool}.py'), run_name='__main__')

    return run


EMPTY = [
    ('val', 'train', ('dataset.indices=0', ), r'val_dataloader\.dataset has no sample to evaluate on .*indices=0'),
    ('val', 'train', ('drop_last=True', ), r'val_dataloader: its . images are fewer than one batch \(batch_size 8\)'),
    ('test', 'test', ('dataset.indices=0', ), r'test_dataloader\.dataset has no sample to evaluate on'),
    ('test', 'test', ('drop_last=True', ), r'test_dataloader: its . images are fewer than one batch'),
]


@pytest.mark.parametrize('name, tool, options, message', EMPTY)
def test_an_empty_evaluation_is_refused_before_the_model(run, name, tool, options, message):
    with pytest.raises(SystemExit, match=message):
        run(tool, *(f'{name}_dataloader.{option}' for option in options))


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_what_has_a_sample_goes_on(run, tool):
    with pytest.raises(Built):
        run(tool, 'val_dataloader.dataset.indices=1', 'test_dataloader.dataset.indices=1')


@pytest.mark.parametrize('option', [(), ('runner_type=FlexibleRunner', )])
def test_of_several_sets_any_may_be_empty(run, monkeypatch, option):

    def two_sets(cfg, *args):
        empty = dict(cfg.test_dataloader, dataset=dict(cfg.test_dataloader.dataset, indices=0))
        other = dict(dataloader=empty, evaluator=dict(cfg.test_evaluator, prefix='other'))
        cfg.test_cfg = dict(type='mmsimmim.MultiSetTestLoop', others=[other])

    monkeypatch.setattr(test_sets, 'use_test_sets', two_sets)
    with pytest.raises(SystemExit, match='test_dataloader.dataset has no sample to evaluate on .*indices=0'):
        run('test', *option, '--test-sets', 'two')


def stub(loader, evaluator, name='val'):
    return SimpleNamespace(**{f'_{name}_dataloader': dict(batch_size=1, num_workers=0) | loader,
                              f'_{name}_evaluator': evaluator, f'_{name}_loop': dict()},
                           seed=0, _randomness_cfg={}, build_dataloader=Runner.build_dataloader)


@pytest.fixture
def scope():
    yield init_default_scope
    DefaultScope._instance_dict.clear()


def without(folder, *sections):
    folder.write('val', folder.read('val') | {section: [] for section in sections})


def crowds_only(folder):
    content = folder.read('val')
    without(folder, 'annotations')
    folder.write('val', content | dict(annotations=[one for one in content['annotations'] if one['iscrowd']]))


COCO = [
    (lambda folder: without(folder, 'images', 'annotations'), {}, {}, r'no sample to evaluate on .*val\.json'),
    (lambda folder: without(folder, 'annotations'), {}, {}, r'val\.json has no annotation of a class of the config'),
    (crowds_only, {}, {}, r'val\.json has no annotation of a class'),
    (lambda folder: without(folder, 'annotations'), {}, dict(format_only=True), None),
    (lambda folder: None, dict(test_mode=False, filter_cfg=dict(min_size=32)), {},
     r"filter_cfg=\{'min_size': 32\} leave"),
    (lambda folder: None, {}, {}, None),
]


@pytest.mark.parametrize('change, settings, metric, message', COCO)
def test_detection(tmp_path, scope, change, settings, metric, message):
    pytest.importorskip('mmdet')
    folder = CocoFolder(tmp_path)
    change(folder)
    cfg = folder.config()
    scope('mmdet')
    runner = stub(dict(sampler=dict(type='DefaultSampler', shuffle=False),
                       dataset=dict(cfg.val_dataloader.dataset) | settings), dict(cfg.val_evaluator) | metric)
    if message:
        with pytest.raises(UserError, match=message):
            load_evaluation_data(runner, 'val')
    else:
        load_evaluation_data(runner, 'val')
        assert len(runner._val_dataloader) == 2


def test_segmentation_with_a_list_that_names_nothing(tmp_path, scope):
    pytest.importorskip('mmseg')
    cfg = PairFolder(tmp_path).config()
    (tmp_path / 'list.txt').touch()
    scope('mmseg')
    runner = stub(dict(sampler=dict(type='DefaultSampler', shuffle=False),
                       dataset=dict(cfg.val_dataloader.dataset, ann_file='list.txt')), dict(type='IoUMetric'))
    with pytest.raises(UserError, match=r'val_dataloader\.dataset has no sample to evaluate on .*list\.txt'):
        load_evaluation_data(runner, 'val')
