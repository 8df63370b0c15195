"""Averaged weights, with each of MMEngine's runners."""

import itertools

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import FlexibleRunner, Runner

import mmsimmim  # noqa: F401
from mmsimmim.registry import METRICS, MODELS

NUMBERS = itertools.count()

pytestmark = pytest.mark.filterwarnings('ignore')


@MODELS.register_module(force=True)
class Halves(BaseModel):
    """Learns 0.5 times its input, with running statistics."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, x, mode):
        x = torch.stack(x)
        if mode == 'predict':
            return list(self.layer(x).sum(1))
        return dict(loss=(self.norm(self.layer(x)) - 0.5 * x).square().mean())


@METRICS.register_module(force=True)
class Output(BaseMetric):
    """The sum of what the model in evaluation gives."""

    def process(self, data_batch, data_samples):
        self.results.append(float(sum(data_samples)))

    def compute_metrics(self, results):
        return dict(output=sum(results))


def run(kind, folder, hook, epochs=3, **settings):
    """Train; metrics by epoch, and the last checkpoint."""
    data = [dict(x=torch.randn(2, generator=torch.Generator().manual_seed(i))) for i in range(8)]
    loader = dict(dataset=data, batch_size=4, sampler=dict(type='DefaultSampler', shuffle=False))
    torch.manual_seed(0)
    flexible = dict(env_cfg=dict()) if kind is FlexibleRunner else {}
    runner = kind(
        model=Halves(), work_dir=str(folder), experiment_name=f'ema_{next(NUMBERS)}',
        train_dataloader=loader, train_cfg=dict(by_epoch=True, max_epochs=epochs), val_dataloader=loader,
        val_cfg=dict(), val_evaluator=dict(type='mmsimmim.Output'), launcher='none', randomness=dict(seed=0),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.3)),
        custom_hooks=[dict(type=hook, momentum=0.3, update_buffers=True)],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best='output', rule='less')),
        **flexible, **settings)
    runner.train()
    return torch.load(folder / f'epoch_{epochs}.pth', weights_only=True)


def assert_equal(found, expected):
    for key in ('state_dict', 'ema_state_dict'):
        assert found[key].keys() == expected[key].keys()
        assert all(torch.equal(found[key][name], value) for name, value in expected[key].items()), key
    assert found['meta']['epoch'] == expected['meta']['epoch'] and found['meta']['iter'] == expected['meta']['iter']
    outputs = [one['message_hub']['log_scalars']['val/output'].current() for one in (found, expected)]
    assert outputs[0] == outputs[1] != 0


@pytest.fixture(scope='module')
def expected(tmp_path_factory):
    return run(Runner, tmp_path_factory.mktemp('mmengine'), 'EMAHook')


@pytest.mark.parametrize('kind', [Runner, FlexibleRunner])
def test_averages_are_those_of_mmengine_and_resumed(kind, expected, tmp_path):
    assert_equal(run(kind, tmp_path / 'whole', 'mmsimmim.EMAHook'), expected)
    first = str(tmp_path / 'whole' / 'epoch_1.pth')
    resumed = run(kind, tmp_path / 'resumed', 'mmsimmim.EMAHook', load_from=first, resume=True)
    assert_equal(resumed, expected)


@pytest.mark.parametrize('kind', [Runner, FlexibleRunner])
def test_a_new_training_begins_with_the_averages_of_a_checkpoint(kind, expected, tmp_path):
    torch.save(expected, tmp_path / 'first.pth')
    settings = dict(load_from=str(tmp_path / 'first.pth'), epochs=1)
    found = run(kind, tmp_path / 'own', 'mmsimmim.EMAHook', **settings)
    assert_equal(found, run(Runner, tmp_path / 'theirs', 'EMAHook', **settings))
