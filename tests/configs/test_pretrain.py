"""The shipped pre-training configs against the official runs: names, numbers and one real step each."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.registry import MODELS, PARAM_SCHEDULERS
from tests.golden import DATA

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / 'configs' / 'pretrain').glob('*.py'))
GOLDEN = json.loads((DATA / 'finetune.json').read_text())
SWIN_BASE_100E = 'simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'
SWIN_BASE_800E = 'simmim_swin-base-w6_16xb128-amp-steplr-800e_in1k-192px.py'


def load(name):
    return Config.fromfile(ROOT / 'configs' / 'pretrain' / name)


def build_without_memory(config):
    init_default_scope('mmpretrain')
    with torch.device('meta'):
        return MODELS.build(config.model)


def rates(config, iterations_per_epoch, wanted):
    """Learning rate in force at each wanted iteration, as the Runner would set it."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=config.optim_wrapper.optimizer.lr)
    optimizer.step()
    scheduler = PARAM_SCHEDULERS.build(
        dict(config.param_scheduler), default_args=dict(optimizer=optimizer, epoch_length=iterations_per_epoch))
    found = {}
    for iteration in range(max(wanted) + 1):
        if iteration in wanted:
            found[iteration] = optimizer.param_groups[0]['lr']
        scheduler.step()
    return found


@pytest.mark.parametrize('name, golden', [
    (SWIN_BASE_100E, 'lr/simmim_pretrain__swin_base__img192_window6__100ep'),
    (SWIN_BASE_800E, 'lr/simmim_pretrain__swin_base__img192_window6__800ep'),
])
def test_learning_rate_equals_official_at_every_recorded_iteration(name, golden):
    official = GOLDEN[golden]
    expected = {int(iteration): rate for iteration, rate in official['lr_at_iteration'].items()}
    config = load(name)
    found = rates(config, official['iters_per_epoch'], expected)
    assert found == pytest.approx(expected, rel=1e-9)
    assert config.train_cfg.max_epochs == official['epochs']
    assert config.auto_scale_lr.base_batch_size == official['batch_size']


def test_parameters_without_weight_decay_are_the_official_ones():
    config = load(SWIN_BASE_100E)
    model = build_without_memory(config)
    by_identity = {id(parameter): name for name, parameter in model.named_parameters()}
    wrapper = build_optim_wrapper(model, _plain(config.optim_wrapper))
    exempt = {by_identity[id(parameter)]: parameter
              for group in wrapper.optimizer.param_groups if group['weight_decay'] == 0
              for parameter in group['params']}
    assert set(convert_state_dict(exempt, to='official')) == set(GOLDEN['swin_base_pretrain_no_decay'])
    assert {group['weight_decay'] for group in wrapper.optimizer.param_groups} == {0, 0.05}


def _plain(optim_wrapper):
    """Without AMP, which wants a real device."""
    return dict({key: value for key, value in optim_wrapper.items() if key not in ('dtype', 'loss_scale')},
                type='OptimWrapper')


@pytest.mark.parametrize('name, rate', [(SWIN_BASE_100E, 8e-4), (SWIN_BASE_800E, 4e-4)])
def test_official_hyper_parameters(name, rate):
    config = load(name)
    optimizer = config.optim_wrapper.optimizer
    assert optimizer.lr == pytest.approx(rate)
    assert dict(optimizer, lr=None) == dict(type='AdamW', lr=None, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05)
    assert config.optim_wrapper.clip_grad == dict(max_norm=5.0)
    assert config.model.backbone.drop_path_rate == 0
    assert config.train_dataloader.batch_size * 16 == config.auto_scale_lr.base_batch_size
    assert config.train_dataloader.persistent_workers
    crop = next(step for step in config.train_pipeline if step.type == 'RandomResizedCrop')
    assert (crop.scale, crop.crop_ratio_range, crop.backend) == (192, (0.67, 1.0), 'pillow')


def test_parameter_count_of_swin_base_is_the_published_one():
    # mmpretrain's model zoo gives 89,874,104 for the encoder with the linear head
    assert sum(p.numel() for p in build_without_memory(load(SWIN_BASE_100E)).parameters()) == 89_874_104


def test_swin_large_has_the_official_windows():
    model = build_without_memory(load('simmim_swin-large-w12_16xb128-amp-steplr-800e_in1k-192px.py'))
    attention = [stage.blocks[1].attn for stage in model.backbone.stages]
    assert [(a.window_size, a.shift) for a in attention] == [(12, 6), (12, 6), (12, 0), (6, 0)]


@pytest.fixture
def images(tmp_path):
    generator = np.random.default_rng(0)
    for i in range(40):
        folder = tmp_path / 'images' / f'{i % 3}'
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (40, 60, 3), np.uint8)).save(folder / f'{i}.png')
    return str(tmp_path / 'images')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_trains_and_validates(path, images, tmp_path):
    """As shipped but for depth, width and the amount of data: never the structure, the pipeline or the schedule."""
    from mmengine.runner import Runner
    config = Config.fromfile(path)
    config.model.backbone.arch = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
    config.model.neck.in_channels = 64
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.data_root = images
    config.train_dataloader.dataset.indices = 4
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.param_scheduler.update(warmup=0, end=1)
    config.work_dir = str(tmp_path / 'work')
    config.experiment_name = path.stem
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 2
    history = runner.message_hub.log_scalars
    assert 0 < history['train/loss'].current() < 10
    assert 0 < history['val/reconstruction/masked_loss'].current() < 10
    DefaultScope._instance_dict.clear()
