"""The benchmark of few images: what both pre-trainings are given, what a speed is, and what the tables say."""

import json
import time
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from PIL import Image

from mmsimmim.architectures import SWIN
from mmsimmim.models import SwinTransformer
from tests.tools.benchmarks.benchmark_scripts import load_script


@pytest.fixture(scope='module')
def parts():
    return load_script('transfer.few_images_parts')


@pytest.fixture(scope='module')
def presets():
    return load_script('transfer.few_images_presets')


@pytest.fixture(scope='module')
def configs():
    return load_script('transfer.few_images_configs')


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    for i in range(40):
        Image.new('RGB', (100, 120), (6 * i, 0, 0)).save(folder / f'{i}.png')
    return folder


def test_the_folder_config_is_the_shipped_one_but_for_encoder_and_length(configs, presets, images, tmp_path):
    shipped = load_shipped(configs)
    cfg = configs.folder_config(presets.Preset(), images, tmp_path, seed=3, rate=10., seconds=60.)
    training = len(list(images.iterdir())) - held_out(images)
    assert cfg.train_cfg.max_epochs == round(600 / training)
    assert cfg.param_scheduler.warmup == pytest.approx(cfg.train_cfg.max_epochs / 10)
    assert shipped.param_scheduler.warmup / shipped.train_cfg.max_epochs == pytest.approx(1 / 10)
    assert cfg.optim_wrapper == shipped.optim_wrapper and cfg.optim_wrapper.optimizer.lr == 5e-5
    assert cfg.train_dataloader.batch_size == shipped.train_dataloader.batch_size == 128
    pipelines = [one.train_dataloader.dataset.pipeline for one in (cfg, shipped)]
    assert pipelines[0] == pipelines[1]
    assert cfg.randomness.seed == 3
    backbone = dict(shipped.model.backbone, arch=SWIN['atto'])
    assert dict(cfg.model.backbone) == backbone


def test_both_pretrainings_have_the_same_encoder_and_images(configs, presets, images, tmp_path):
    given = (presets.Preset(), images, tmp_path, 0, 10., 60.)
    encoders = []
    for make in (configs.recipe_config, configs.folder_config):
        cfg = make(*given)
        assert cfg.train_dataloader.dataset.data_root == str(images)
        assert cfg.train_dataloader.dataset.split == 'train'
        assert cfg.val_cfg is None and cfg.train_dataloader.num_workers == 0
        encoder = dict(cfg.model.backbone)
        assert encoder.pop('type') == 'mmsimmim.SwinTransformer' and cfg.model.type == 'mmsimmim.SimMIM'
        encoders.append(SwinTransformer(**encoder))
        assert cfg.model.backbone.window_size == presets.WINDOW
    # but for tables of windows that are no larger than a small crop's map
    shapes = [{name: value.shape for name, value in encoder.state_dict().items() if 'bias_table' not in name}
              for encoder in encoders]
    assert shapes[0] == shapes[1]


def test_the_recipe_is_that_of_the_time(configs, presets, images, tmp_path):
    short, long = (configs.recipe_config(presets.Preset(), images, tmp_path, 0, 100., seconds)
                   for seconds in (60., 240.))
    seen = [cfg.train_cfg.max_iters * cfg.train_dataloader.batch_size for cfg in (short, long)]
    # A part of the time is for what is beside the steps.
    assert 0.8 * 6_000 < seen[0] <= 6_000 and seen[1] == pytest.approx(4 * seen[0], rel=0.05)
    assert long.optim_wrapper.optimizer.lr == pytest.approx(2 * short.optim_wrapper.optimizer.lr, rel=0.05)


def test_speed_is_of_processor_time_without_the_first_steps(parts, monkeypatch):
    monkeypatch.setattr(parts, 'FIRST', 3)
    clock = iter([0., 10., 20., 30., 31., 33.])
    monkeypatch.setattr(time, 'process_time', lambda: next(clock))
    runner = SimpleNamespace(message_hub=MessageHub.get_instance('speed_of_few_images'))
    hook = parts.SpeedHook()
    hook.before_train(runner)
    for batch in (8, 8, 8, 8, 4):
        hook.after_train_iter(runner, 0, dict(inputs=torch.zeros(batch, 1)))
    hook.after_train(runner)
    assert runner.message_hub.get_info('images_per_second') == pytest.approx(12 / 3)


def run(task, start, seed, score, lr=1e-3):
    return dict(task=task, start=start, seed=seed, lr=lr, score=score)


def test_tables_pair_what_all_starts_have(parts):
    scores = dict(recipe=[30., 34., 90.], folder=[31., 30.], random=[20., 26.])
    results = dict(
        tuning=[run('cls', start, seed, score) for start, some in scores.items() for seed, score in enumerate(some)]
        + [run('det', 'recipe', 0, 10.)],
        pretraining=[dict(data='photos', arm=arm, seed=0, img_size=96, steps=1200, batch=32, lr=2.178e-3,
                          processor=79.6, loss=0.5) for arm in ('recipe', 'folder')],
        choice=[run('cls', 'folder', 0, 12.34)])
    lines = parts.table(results).splitlines()
    assert lines[2] == '| photos | top-1 | 32.0 ± 2.8 | 30.5 ± 0.7 | 23.0 ± 4.2 | +1.5 ± 3.5 | +9.0 ± 1.4 | 2 |'
    assert lines[3] == ''  # no start but one has a detector
    assert '| photos | chosen recipe, seed 0 | 96 | 1,200 | 32 | 0.0022 | 80 | 0.500 |' in lines
    assert [line.split(' | ')[1] for line in lines if line.startswith('| folder config |')] == ['12.3']


def test_what_other_processes_have_finished_is_in_the_tables(parts, presets, tmp_path, monkeypatch):
    for name in ('transfer_parts', 'dense_transfer_parts'):
        monkeypatch.setattr(getattr(parts, name), 'Benchmark', lambda *_: None)
    given = (presets.Preset(), dict(photos=tmp_path, nuclei=tmp_path), tmp_path)
    benchmark = parts.Benchmark(*given, seeds=2)
    monkeypatch.setattr(benchmark, '_tune', lambda task, start, seed, lr, draw: dict(
        score=50. - 1e3 * lr + seed if start == 'random' else 50. + 1e3 * lr + seed))
    assert benchmark.choose_lr('seg', 'random') == 1e-3 and benchmark.choose_lr('seg', 'recipe') == 3e-3
    benchmark.run(['det'])
    other = parts.Benchmark(*given, seeds=2)
    results = other.write()
    assert {(one['task'], one['start'], one['seed'], one['lr']) for one in results['tuning']} == {
        ('det', start, seed, lr) for start, lr in (('recipe', 3e-3), ('folder', 3e-3), ('random', 1e-3))
        for seed in (0, 1)}
    assert all(one['draw'] == one['seed'] for one in results['tuning'])
    assert {one['draw'] for one in results['choice']} == {parts.SEED_OF_CHOICE}
    assert json.loads((tmp_path / 'results.json').read_text())['tuning'] == results['tuning']


def load_shipped(configs):
    from mmsimmim.commands.config.loading import read_with_options
    return read_with_options(str(configs.CONFIGS / configs.FOLDER), {})[0]


def held_out(images):
    from mmsimmim.datasets import ImageFolder
    return len(ImageFolder(data_root=str(images), split='val', pipeline=[]))
