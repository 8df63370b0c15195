"""A training that diverges says where, goes on after an exception, and stops before it destroys what there is."""

import mmengine.hooks
import pytest
import torch
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader

from mmsimmim.datasets import MaskedBatch, collate_masked
from mmsimmim.engine import FiniteHook
from mmsimmim.engine.hooks.finite import name_samples
from mmsimmim.errors import UserError
from mmsimmim.models import SimMIM
from tests.engine.steps import make_samples
from tests.models.tiny import build

STEPS = 6


class Break(mmengine.hooks.Hook):
    """Makes the loss of some iterations NaN, or a parameter after one."""

    def __init__(self, monkeypatch, losses=(), parameter=None):
        self.bad, self.losses, self.parameter = False, losses, parameter
        loss = SimMIM.loss
        monkeypatch.setattr(SimMIM, 'loss', lambda model, *args: {
            name: value * (float('nan') if self.bad else 1) for name, value in loss(model, *args).items()})

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.bad = runner.iter + 1 in self.losses

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.parameter:
            moments = next(iter(runner.optim_wrapper.optimizer.state.values()))
            moments['exp_avg_sq'].view(-1)[0] = float('inf')


def train(work_dir, broken, max_bad_steps=10, hook=True):
    samples = make_samples(2 * STEPS)
    for number, sample in enumerate(samples):
        sample['data_samples'].set_metainfo(dict(img_path=f'/images/{number}.png', sample_idx=number))
    runner = Runner(
        model=build(preprocessor=dict(type='mmsimmim.SimMIMDataPreprocessor', mean=[120.] * 3, std=[60.] * 3,
                                      bgr_to_rgb=True)),
        work_dir=str(work_dir),
        train_dataloader=DataLoader(samples, batch_size=2, collate_fn=collate_masked),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3, fused=True), clip_grad=dict(max_norm=0.1)),
        default_hooks=dict(
            runtime_info=dict(type='mmsimmim.RuntimeInfoHook'), logger=dict(type='LoggerHook', interval=1000),
            checkpoint=dict(type='mmsimmim.CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=1),
            **(dict(finite=dict(type='mmsimmim.FiniteHook', max_bad_steps=max_bad_steps)) if hook else {})),
        custom_hooks=[dict(type='EMAHook')],
        experiment_name=work_dir.name,
        default_scope='mmpretrain',
        randomness=dict(seed=0))
    runner.register_hook(broken)
    runner.train()
    return runner


def checkpoints(folder):
    return sorted(file.name for file in folder.glob('*.pth'))


def test_an_exception_is_skipped_named_and_counted(tmp_path, monkeypatch, capsys):
    runner = train(tmp_path, Break(monkeypatch, losses=(2, 5)), max_bad_steps=1)
    text = capsys.readouterr()
    text = text.out + text.err
    assert ('Iteration 2: loss nan, gradient norm nan, at learning rate 0.001; the step is skipped (1 in a row, 1 in '
            "all). The batch: sample_idx 2, 3; img_path '/images/2.png', '/images/3.png'.") in text
    assert 'Iteration 5: loss nan' in text and '(1 in a row, 2 in all)' in text and text.count('is skipped') == 2
    assert runner.message_hub.get_info('bad_steps') == 2
    checkpoint = torch.load(tmp_path / f'iter_{STEPS}.pth', weights_only=True)
    weights = [*checkpoint['state_dict'].values(), *checkpoint['ema_state_dict'].values()]
    assert all(value.isfinite().all() for value in weights)
    assert checkpoint['message_hub']['runtime_info']['bad_steps'] == 2


@pytest.mark.parametrize('allowed, last', [(2, 4), (0, 2)])
def test_too_many_in_a_row_end_the_run(tmp_path, monkeypatch, allowed, last):
    with pytest.raises(UserError, match=rf'{allowed + 1} steps in a row .* max_bad_steps={allowed}.*Iteration {last}:'):
        train(tmp_path, Break(monkeypatch, losses=range(2, STEPS + 1)), max_bad_steps=allowed)
    assert checkpoints(tmp_path) == [f'iter_{last - 1}.pth']
    state = torch.load(tmp_path / f'iter_{last - 1}.pth', weights_only=True)['state_dict']
    assert all(value.isfinite().all() for value in state.values())


@pytest.mark.parametrize('broken', [dict(parameter=3), dict(losses=(3, ))])
def test_broken_values_never_replace_a_checkpoint(tmp_path, monkeypatch, broken):
    """Also of a run without the hook: moments alone, and all there is."""
    with pytest.raises(UserError, match='tensors of the model or the optimizer hold values that are not finite'):
        train(tmp_path, Break(monkeypatch, **broken), hook=False)
    assert checkpoints(tmp_path) == ['iter_2.pth']


def test_mmengines_replaces_it(tmp_path, monkeypatch):
    """So the test above can fail."""
    monkeypatch.setattr('mmsimmim.engine.hooks.checkpoint.require_finite', lambda runner: None)
    train(tmp_path, Break(monkeypatch, losses=(3, )), hook=False)
    state = torch.load(tmp_path / f'iter_{STEPS}.pth', weights_only=True)['state_dict']
    assert any(value.isnan().any() for value in state.values())


def test_a_guarded_run_is_the_same(tmp_path, monkeypatch):
    states = []
    for hook in (True, False):
        train(tmp_path / str(hook), Break(monkeypatch), hook=hook)
        states.append(torch.load(tmp_path / str(hook) / f'iter_{STEPS}.pth', weights_only=True)['state_dict'])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])


def test_names_the_samples_of_every_framework():
    assert name_samples(dict(data_samples=MaskedBatch(metainfo=dict(sample_idx=[7], img_path=[None])))) == [
        'sample_idx 7']
    lists = [BaseDataElement(metainfo=dict(img_id=number, img_path=f'{number}\n.png')) for number in range(6)]
    assert name_samples(dict(data_samples=lists)) == [
        'img_id 0, 1, 2, 3, 4, 5', r"img_path '0\n.png', '1\n.png', '2\n.png', '3\n.png', ..."]
    assert name_samples(dict(inputs=1)) == name_samples(None) == name_samples([1, 2]) == []


@pytest.mark.parametrize('wrong', [-1, 1.5, None])
def test_refuses_a_number_that_is_none(wrong):
    with pytest.raises(UserError, match='max_bad_steps'):
        FiniteHook(max_bad_steps=wrong)
