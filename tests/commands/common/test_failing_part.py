"""An error in a step tells the part of the config that it came out of, and is shown whole."""

import argparse
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from torch import nn
from torch.utils.data import DataLoader

from mmsimmim.commands.common.failing_part import failing_part
from mmsimmim.commands.common.mistakes import report_mistakes


class Fails(nn.Module):

    def forward(self, x):
        raise RuntimeError('of the\nmodel')


class Crop:

    def __call__(self, results):
        raise ValueError('of the transform')


class Looks:
    pass


class Run:
    """What the functions look at in a runner."""

    def __init__(self, workers=0):
        self.cfg = Config(dict(
            default_hooks=dict(picture=dict(type='mmsimmim.Looks')),
            model=dict(roi_head=dict(heads=[dict(type='Other'), dict(type='Head')])),
            train_dataloader=dict(dataset=dict(type='Set', pipeline=[dict(type='Load'), dict(type='Crop')]))))
        self.model = nn.ModuleDict(dict(roi_head=nn.ModuleDict(dict(
            heads=nn.ModuleList([nn.Identity(), nn.Sequential(Fails())])))))
        dataset = BaseDataset(lazy_init=True, pipeline=[dict, Crop()])
        dataset.data_list, dataset._fully_initialized, dataset.serialize_data = [dict(a=1)] * 2, True, False
        loader = DataLoader(dataset, num_workers=workers)
        self.hooks = [Looks()]
        self._train_loop = SimpleNamespace(dataloader=loader)

    def call_hook(self, hook=None):
        raise LookupError('of a hook' if hook else 'of nothing')

    def forward(self):
        self.model.roi_head.heads[1](0)

    def load(self):
        next(iter(self._train_loop.dataloader))


def error_of(function, **options):
    args = argparse.Namespace(cfg_options=options)  # as a command has it
    try:
        function()
    except Exception as error:
        assert args
        return error


def test_parts_of_models_and_pipelines():
    run = Run()
    assert failing_part(error_of(run.forward)) == 'model.roi_head.heads.1 (Head) failed: RuntimeError: of the model'
    assert failing_part(error_of(run.load)) == (
        'train_dataloader.dataset.pipeline.1 (Crop) failed: ValueError: of the transform')
    assert failing_part(error_of(run.load, **{'train_dataloader.batch_size': 3, 'model.a': 1})).endswith(
        '(with --cfg-options train_dataloader.batch_size=3 model.a=1)')
    assert failing_part(error_of(run.load, **{'train_dataloader.dataset.pipeline.1.size': 0, 'model.a': 1})).endswith(
        '(with --cfg-options train_dataloader.dataset.pipeline.1.size=0)')


def test_the_dataset_that_a_worker_reads():
    assert failing_part(error_of(Run(workers=1).load)) == (
        'train_dataloader.dataset (Set) failed: ValueError: of the transform')


def test_a_hook():
    run = Run()
    assert failing_part(error_of(lambda: run.call_hook(run.hooks[0]))) == (
        'default_hooks.picture (mmsimmim.Looks) failed: LookupError: of a hook')


def test_no_run_or_no_part():
    assert failing_part(error_of(lambda: 1 / 0)) is None
    assert failing_part(error_of(Run().call_hook)) is None


def test_the_error_is_shown_whole_before_the_sentence(capsys):
    with pytest.raises(SystemExit) as end:
        report_mistakes(Run().forward)()
    assert end.value.code == 'error: model.roi_head.heads.1 (Head) failed: RuntimeError: of the model'
    assert 'Traceback' in capsys.readouterr().err
    with pytest.raises(LookupError):
        report_mistakes(Run().call_hook)()
