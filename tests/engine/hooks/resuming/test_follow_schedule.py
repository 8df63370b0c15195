"""A resumed run has the rates of a whole run with its config, from the first step on."""

import logging

import mmengine.hooks
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

import mmsimmim  # noqa: F401  lets torch read MMEngine's checkpoints
from mmsimmim.engine.hooks.resuming.follow_schedule import follow_schedule
from mmsimmim.errors import UserError

COSINE = dict(type='mmsimmim.WarmupCosineLR', warmup=1, warmup_ratio=0.1, min_ratio=0.01, convert_to_iter_based=True)
STEPS = dict(type='mmsimmim.WarmupMultiStepLR', warmup=1, warmup_ratio=0.1, milestones=[3], convert_to_iter_based=True)
SEGMENTATION = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=3),
                dict(type='PolyLR', power=1.0, by_epoch=False, begin=3, convert_to_iter_based=False, end=12)]
DETECTION = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
             dict(type='MultiStepLR', by_epoch=True, milestones=[1, 3], gamma=0.1)]


class Model(BaseModel):
    """Two parameters, with rates of their own."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)

    def forward(self, inputs, mode='loss'):
        return dict(loss=self.second(self.first(inputs)).square().mean())


class Rates(mmengine.hooks.Hook):
    """Notes the rates of all steps."""

    def __init__(self):
        self.rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append([group['lr'] for group in runner.optim_wrapper.optimizer.param_groups])


def train(folder, schedule, epochs, lr=0.1, resume=None, follow=True, batches=4, weight_decay=0.):
    data = [dict(inputs=torch.randn(2)) for _ in range(2 * batches)]
    groups = dict(custom_keys=dict(first=dict(lr_mult=0.5)))
    runner = Runner(
        Model(), str(folder), DataLoader(data, batch_size=2, collate_fn=default_collate),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=lr, weight_decay=weight_decay), paramwise_cfg=groups),
        param_scheduler=[dict(one) for one in schedule] if isinstance(schedule, list) else schedule and dict(schedule),
        resume=bool(resume), load_from=resume and str(resume), experiment_name=f'{folder.name}_{epochs}_{resume}',
        default_scope='mmengine')
    rates = Rates()
    runner.register_hook(rates)
    if resume and follow:
        follow_schedule(runner)
    runner.train()
    return rates.rates


@pytest.fixture
def messages(monkeypatch):
    found = []
    monkeypatch.setattr(logging.Logger, 'warning', lambda self, text, *args: found.append(text))
    return found


@pytest.mark.parametrize('schedule', [COSINE, STEPS, DETECTION, [dict(type='CosineAnnealingLR', by_epoch=True)], None])
@pytest.mark.parametrize('change', [dict(epochs=4), dict(epochs=4, lr=0.3), dict(epochs=4, batches=6)])
def test_the_rates_are_those_of_a_whole_run(tmp_path, schedule, change, messages):
    whole = train(tmp_path / 'whole', schedule, **change)
    train(tmp_path / 'parts', schedule, 2)
    resumed = train(tmp_path / 'parts', schedule, **change, resume=tmp_path / 'parts' / 'epoch_2.pth')
    assert len(resumed) == len(whole) // 2
    assert torch.allclose(torch.tensor(resumed), torch.tensor(whole[len(resumed):]), rtol=1e-12, atol=0)
    assert (f'Resuming: param_scheduler: end: {4 * change.get("batches", 4)} in the config, 8 in the checkpoint; the '
            "config's holds.") in messages or schedule is not COSINE
    assert any('0.3 in the config, 0.1 in the checkpoint' in text for text in messages) == ('lr' in change)


def test_without_it_the_schedule_of_the_checkpoint_stays(tmp_path):
    """So the test above can fail."""
    whole = train(tmp_path / 'whole', COSINE, 4)
    train(tmp_path / 'parts', COSINE, 2)
    resumed = train(tmp_path / 'parts', COSINE, 4, resume=tmp_path / 'parts' / 'epoch_2.pth', follow=False)
    assert resumed != whole[8:]


def test_nothing_is_said_or_changed_where_nothing_differs(tmp_path, messages):
    whole = train(tmp_path, SEGMENTATION, 3)
    messages.clear()
    assert train(tmp_path, SEGMENTATION, 3, resume=tmp_path / 'epoch_1.pth') == whole[4:]
    assert not [text for text in messages if 'Resuming' in text]


def test_what_the_checkpoint_overrides_is_named(tmp_path, messages):
    train(tmp_path, COSINE, 2)
    train(tmp_path, COSINE, 2, resume=tmp_path / 'epoch_1.pth', weight_decay=0.5)
    assert [text for text in messages if 'Resuming' in text] == [
        'Resuming: optim_wrapper.optimizer: weight_decay is 0.5 in the config and 0.0 in the checkpoint; '
        "the checkpoint's holds."]


def test_another_kind_of_schedule_takes_over(tmp_path, messages):
    train(tmp_path / 'parts', COSINE, 2)
    whole = train(tmp_path / 'whole', STEPS, 4)
    assert train(tmp_path / 'parts', STEPS, 4, resume=tmp_path / 'parts' / 'epoch_2.pth') == whole[8:]
    assert any('is a WarmupMultiStepLR; the checkpoint has another one' in text for text in messages)


def test_a_schedule_that_depends_on_results_is_refused(tmp_path):
    plateau = [dict(type='ReduceOnPlateauLR', monitor='loss', patience=1, by_epoch=True)]
    train(tmp_path, plateau, 2)
    with pytest.raises(UserError, match='ReduceOnPlateauLR depends on results'):
        train(tmp_path, plateau, 4, lr=0.3, resume=tmp_path / 'epoch_2.pth')
