"""The benchmark of pre-training against random initialisation, at the size of a toy."""

import dataclasses
import json
import random

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS, TRANSFORMS
from tests.tools.benchmarks.benchmark_scripts import load_script
from tests.visualization.tiny import write_picture

CLASSES = ('dark', 'light')


@pytest.fixture(scope='module')
def transfer():
    return load_script('transfer.transfer_parts')


@pytest.fixture(scope='module')
def presets():
    return load_script('transfer.transfer_presets').PRESETS


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    for side, count in dict(train=20, val=4).items():
        for label, name in enumerate(CLASSES):
            for i in range(count):
                write_picture(folder / side / name / f'{i}.png', seed=100 * label + i + 50 * (side == 'val'))
    return folder


@pytest.fixture(scope='module')
def toy(presets):
    return dataclasses.replace(
        presets['cpu'], arch=dict(embed_dims=8, depths=[1, 1, 2], num_heads=[1, 1, 2]), img_size=32,
        mask_patch_size=16, pretrain_epochs=2, pretrain_batch=20, probe_interval=1,
        finetune_epochs={10: 1, 30: 1}, finetune_batch=4, finetune_lrs=(1e-3, 1e-2))


@pytest.fixture(scope='module')
def finished(transfer, toy, data, tmp_path_factory):
    out = tmp_path_factory.mktemp('out')
    return transfer.Benchmark(toy, data, out, seeds=2).run(), out


@pytest.mark.slow
def test_all_parts(finished):
    results, out = finished
    assert results['images'] == dict(train=40, val=8)
    assert [probe['epoch'] for probe in results['pretraining']['probes']] == [0, 1, 2]
    assert set(results['learning_rates']) == {'random', 'SimMIM'}
    runs = {(run['start'], run['percent'], run['seed']) for run in results['finetuning']}
    assert runs == {(start, percent, seed) for start in ('random', 'SimMIM') for percent in (10, 30) for seed in (0, 1)}
    assert all(run['lr'] == results['learning_rates'][run['start']] for run in results['finetuning'])
    assert all(run['accuracy'] in np.arange(9) * 12.5 for run in results['finetuning'])
    assert json.loads((out / 'results.json').read_text())['finetuning'] == results['finetuning']
    assert (out / 'results.md').read_text().count('\n') == 2 + 2 + 1 + 2 + 3
    assert not list((out / 'finetuning').rglob('*.pth'))


@pytest.mark.slow
def test_fine_tuning_can_be_longer(finished, transfer, toy, data, monkeypatch):
    results, out = finished
    monkeypatch.setattr(transfer.Benchmark, '_finetune', lambda self, name, epochs, **facts: dict(accuracy=epochs))
    longer = transfer.Benchmark(toy, data, out, seeds=1, times=3).run()
    assert {run['accuracy'] for run in longer['finetuning']} == {3}
    assert longer['learning_rates'] == results['learning_rates']
    assert json.loads((out / 'results_x3.json').read_text())['finetuning'] == longer['finetuning']
    assert json.loads((out / 'results.json').read_text())['finetuning'] == results['finetuning']


@pytest.mark.slow
def test_what_is_finished_is_not_run_again(finished, transfer, toy, data, monkeypatch):
    results, out = finished
    (out / 'parts' / f"SimMIM_30_1_{results['learning_rates']['SimMIM']:g}.json").unlink()
    trained = []
    real = transfer.train
    monkeypatch.setattr(transfer, 'train', lambda cfg: trained.append(cfg) or real(cfg))
    again = transfer.Benchmark(toy, data, out, seeds=2).run()
    assert len(trained) == 1 and trained[0].randomness.seed == 1
    # the part that was run again has the same result, too
    assert [run['accuracy'] for run in again['finetuning']] == [run['accuracy'] for run in results['finetuning']]


class Stop(Hook):
    """Stops a training after its first epoch and the checkpoint of it."""

    priority = 'LOWEST'

    def after_train_epoch(self, runner):
        raise InterruptedError


@pytest.mark.slow
def test_an_interrupted_pretraining_goes_on(finished, transfer, toy, data, tmp_path, monkeypatch):
    whole = finished[0]['pretraining']['probes']

    def train_one_epoch(cfg):
        runner = Runner.from_cfg(cfg)
        runner.register_hook(Stop())
        runner.train()

    with monkeypatch.context() as patch:
        patch.setattr(transfer, 'train', train_one_epoch)
        with pytest.raises(InterruptedError):
            transfer.Benchmark(toy, data, tmp_path, seeds=1).pretrain()
    assert [path.name for path in (tmp_path / 'pretraining').glob('*.pth')] == ['epoch_1.pth']
    assert transfer.Benchmark(toy, data, tmp_path, seeds=1).pretrain()['probes'] == whole


@pytest.mark.slow
def test_only_one_start_has_the_pretrained_encoder(finished, transfer, toy, data, monkeypatch):
    _, out = finished
    models = []

    def build_only(cfg):
        runner = Runner.from_cfg(cfg)
        runner.model.init_weights()
        models.append((runner.model, cfg.optim_wrapper))
        raise InterruptedError

    monkeypatch.setattr(transfer, 'train', build_only)
    for start in ('SimMIM', 'random'):
        with pytest.raises(InterruptedError):
            transfer.Benchmark(toy, data, out, seeds=1).finetune(start, 30, 7, 1e-3)
    saved = torch.load(out / 'pretraining' / 'epoch_2.pth', weights_only=False)['state_dict']
    (pretrained, decayed), (untrained, plain) = models
    weights, others = pretrained.backbone.state_dict(), untrained.backbone.state_dict()
    assert all(torch.equal(weight, saved[f'backbone.{name}']) for name, weight in weights.items())
    assert not torch.equal(others['stages.0.blocks.0.ffn.layers.0.0.weight'],
                           saved['backbone.stages.0.blocks.0.ffn.layers.0.0.weight'])
    assert decayed.paramwise_cfg.layer_decay_rate == toy.layer_decay and 'layer_decay_rate' not in plain.paramwise_cfg


@pytest.mark.parametrize('name', ['cpu', 'gpu'])
def test_both_sizes_fit_together(transfer, presets, data, name):
    preset = presets[name]
    init_default_scope('mmpretrain')
    cfg = transfer.pretrain_config(preset, data / 'train', data / 'val', data)
    model, size = MODELS.build(cfg.model), preset.img_size
    generator = TRANSFORMS.build(cfg.train_dataloader.dataset.pipeline[-2])
    mask = torch.from_numpy(generator.transform({})['mask'])[None]
    assert model.masked_loss(torch.randn(1, 3, size, size), mask).isfinite()
    cfg = transfer.finetune_config(preset, data / 'train', data / 'val', data, data / 'list.txt', list(CLASSES),
                                   epochs=10, lr=1e-3, seed=0, checkpoint=None)
    assert MODELS.build(cfg.model)(torch.randn(1, 3, size, size)).shape == (1, 2)


def test_subsets_have_the_same_share_of_each_class(transfer, toy, data, tmp_path):
    benchmark = transfer.Benchmark(toy, data, tmp_path, seeds=1)
    state = random.getstate()
    texts = {key: benchmark._subset(*key).read_text() for key in [(10, 0), (30, 0), (30, 1), (1, 0), (100, 0)]}
    assert random.getstate() == state
    for (percent, _), text in texts.items():
        lines = [line.split() for line in text.splitlines()]
        for label, name in enumerate(CLASSES):
            mine = [path for path, given in lines if given == str(label)]
            assert len(set(mine)) == len(mine) == max(1, 20 * percent // 100)
            assert all(path.startswith(f'{name}/') and (data / 'train' / path).is_file() for path in mine)
    assert texts[30, 0] != texts[30, 1]
    assert texts[30, 0] == benchmark._subset(30, 0).read_text()


def test_parts_of_other_sizes_are_not_mixed(transfer, toy, data, tmp_path):
    transfer.Benchmark(toy, data, tmp_path, seeds=1)
    transfer.Benchmark(toy, data, tmp_path, seeds=2)
    with pytest.raises(UserError, match='holds parts of other sizes'):
        transfer.Benchmark(dataclasses.replace(toy, pretrain_epochs=3), data, tmp_path, seeds=1)


def test_tables(transfer):
    runs = [dict(start=start, percent=10, seed=seed, accuracy=accuracy)
            for start, accuracies in dict(random=[20., 24.], SimMIM=[30., 30.]).items()
            for seed, accuracy in enumerate(accuracies)]
    runs.append(dict(start='random', percent=100, seed=0, accuracy=50.))  # its partner is not there yet
    text = transfer.tables(dict(
        preset=dict(finetune_epochs={10: 1, 100: 1}), learning_rates=dict(random=1e-3, SimMIM=3e-4), finetuning=runs,
        pretraining=dict(probes=[dict(epoch=0, knn=12.34, linear=20.)])))
    assert text.splitlines() == [
        '| labels | random, lr 0.001 | SimMIM, lr 0.0003 | difference |', '| --- | --- | --- | --- |',
        '| 10 % | 22.0 ± 2.8 | 30.0 ± 0.0 | +8.0 ± 2.8 |', '',
        '| epochs of pre-training | kNN | linear probe |', '| --- | --- | --- |', '| 0 | 12.3 | 20.0 |']


@pytest.mark.parametrize('missing', ['train', 'val'])
def test_folders_that_are_not_there(transfer, toy, tmp_path, missing, monkeypatch):
    for side in {'train', 'val'} - {missing}:
        (tmp_path / side).mkdir()
    with pytest.raises(UserError, match='train/ and validation/'):
        transfer.Benchmark(toy, tmp_path, tmp_path / 'out', seeds=1)
    monkeypatch.setattr('sys.argv', ['transfer.py', str(tmp_path), '--out', str(tmp_path / 'out')])
    with pytest.raises(SystemExit, match='train/ and validation/'):
        load_script('transfer.transfer').main()


@pytest.mark.parametrize('name', ['transfer', 'dense_transfer'])
@pytest.mark.parametrize('number', ['0', '-1'])
def test_no_seed_is_refused(capsys, name, number):
    with pytest.raises(SystemExit):
        load_script(f'transfer.{name}').parse_args(['data', '--out', 'out', '--seeds', number])
    assert f'--seeds must be at least 1, got {number}' in capsys.readouterr().err
