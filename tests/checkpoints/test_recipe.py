"""The recipe in an official file becomes settings of ours, whatever form it has; nothing in it runs."""

import copyreg
import os
import sys
import types

import pytest
import torch
import yaml

from mmsimmim.checkpoints import read_checkpoint
from mmsimmim.checkpoints.reading.files import UnsafeCheckpoint
from mmsimmim.checkpoints.recipe import read_recipe
from mmsimmim.errors import UserError
from tests.checkpoints.official_files import as_the_authors_save, official_recipe

FINE_TUNED = {
    'optim_wrapper.optimizer.type': 'AdamW', 'optim_wrapper.optimizer.lr': 5e-3,
    'optim_wrapper.optimizer.weight_decay': 0.05, 'optim_wrapper.optimizer.betas': [0.9, 0.999],
    'optim_wrapper.optimizer.eps': 1e-8, 'optim_wrapper.clip_grad.max_norm': 5., 'optim_wrapper.accumulative_counts': 1,
    'optim_wrapper.paramwise_cfg.layer_decay_rate': 0.75, 'param_scheduler.type': 'mmsimmim.WarmupCosineLR',
    'param_scheduler.warmup': 20, 'param_scheduler.warmup_ratio': 2e-4, 'param_scheduler.min_ratio': 2e-4,
    'param_scheduler.warmup_prefix': True, 'train_cfg.max_epochs': 100, 'train_dataloader.batch_size': 128,
    'model.backbone.type': 'mmsimmim.SwinTransformerV2', 'model.backbone.arch.embed_dims': 128,
    'model.backbone.arch.depths': [2, 2, 18, 2], 'model.backbone.arch.num_heads': [4, 8, 16, 32],
    'model.backbone.img_size': 224, 'model.backbone.patch_size': 4, 'model.backbone.in_channels': 3,
    'model.backbone.window_size': 14, 'model.backbone.pretrained_window_sizes': [12, 12, 12, 6],
    'model.backbone.drop_path_rate': 0.1, 'model.head.num_classes': 1000, 'model.head.loss.label_smooth_val': 0.1,
    'model.train_cfg.augments[Mixup].alpha': 0.8, 'model.train_cfg.augments[CutMix].alpha': 1.,
    'train_dataloader.dataset.pipeline[RandAugment].magnitude_level': 9,
    'train_dataloader.dataset.pipeline[RandAugment].magnitude_std': 0.5,
    'train_dataloader.dataset.pipeline[RandomErasing].erase_prob': 0.25,
}


def plain(node):
    return {key: plain(value) for key, value in node.items()} if isinstance(node, dict) else node


def texts(node):
    """As a person writes it: 1e-4, which YAML takes for text."""
    if isinstance(node, dict):
        return {key: texts(value) for key, value in node.items()}
    if isinstance(node, float):
        return f'{node:e}'.replace('.000000', '')
    return list(node) if isinstance(node, tuple) else node


FORMS = {
    'yacs': lambda config: dict(config=config),
    'dictionary': lambda config: dict(config=plain(config)),
    'YAML': lambda config: dict(config=yaml.safe_dump(plain(texts(config)))),
    'Lightning': lambda config: dict(hyper_parameters=dict(config=config), state_dict={}),
}


@pytest.mark.parametrize('form', FORMS)
def test_every_setting_of_a_fine_tuning(form):
    recipe = read_recipe(FORMS[form](official_recipe('finetune')), pretraining=False)
    assert recipe.settings.keys() == FINE_TUNED.keys()
    assert {key: pytest.approx(value) for key, value in FINE_TUNED.items() if isinstance(value, float)}.items() <= (
        recipe.settings.items())
    assert {key: value for key, value in recipe.settings.items() if not isinstance(value, float)} == {
        key: value for key, value in FINE_TUNED.items() if not isinstance(value, float)}


def test_pre_training_has_a_mask_and_a_target():
    settings = read_recipe(as_the_authors_save({}, official_recipe('pretrain')), pretraining=True).settings
    assert settings['train_dataloader.collate_fn.mask.mask_ratio'] == 0.6
    assert settings['train_dataloader.collate_fn.mask.mask_patch_size'] == 32
    assert settings['model.target_generator.type'] == 'mmsimmim.NormalizedPixelTarget'
    assert settings['model.target_generator.window_size'] == 47
    assert settings['param_scheduler.milestones'] == [700] and settings['param_scheduler.gamma'] == 0.1
    assert not any('layer_decay' in key or 'model.head' in key or 'min_ratio' in key for key in settings)


@pytest.mark.parametrize('stored, others, rate, said', [
    (4e-4, {}, 4e-4, 'those of the whole batch: the optimizer in the file began with 0.0004, as the recipe says'),
    (4e-4, dict(lr_scheduler=None), 4e-4, 'began with 0.0004, as'),
    (1e-4, {}, 4e-4, 'began with, 0.0004; the recipe has 0.0001, which is that per 512 images for a batch of 2048'),
    (5e-4, {}, 4e-4, 'began with, 0.0004; the recipe has 0.0005'),
    (4e-4, dict(lr_scheduler=None, optimizer=None), 4e-4, 'no optimizer or scheduler is in the file to confirm it'),
    (1e-4, dict(lr_scheduler=dict(base_values='x'), optimizer=dict(param_groups=[1])), 1e-4, 'as stored')])
def test_the_rates_are_those_of_the_optimizer(stored, others, rate, said):
    """The official scripts store rates that are scaled already; where one is not, the optimizer tells."""
    config = plain(official_recipe('pretrain'))
    config['TRAIN'] = {**config['TRAIN'], 'BASE_LR': stored}
    recipe = read_recipe(as_the_authors_save({}, config, **others), pretraining=True)
    assert recipe.settings['optim_wrapper.optimizer.lr'] == pytest.approx(rate) and said in recipe.rates
    assert recipe.epoch_length == (None if 'lr_scheduler' in others else 625)


def test_layer_decay_leaves_the_head_its_rate():
    groups = [dict(lr=1e-9, initial_lr=5e-3 * 0.75**depth) for depth in range(25, -1, -1)]
    content = dict(config=official_recipe('finetune'), optimizer=dict(state={}, param_groups=groups))
    assert 'began with 0.005, as the recipe says' in read_recipe(content, pretraining=False).rates


def test_extra_norms_of_pytorch_caney():
    config = plain(official_recipe('pretrain'))
    config['MODEL']['SWINV2'] |= dict(NORM_PERIOD=6, IN_CHANS=14)
    settings = read_recipe(dict(config=config), pretraining=True).settings
    assert settings['model.backbone.arch.extra_norm_every_n_blocks'] == 6
    assert settings['model.backbone.in_channels'] == 14


def nested():
    config = plain(official_recipe('pretrain'))
    config['MODEL']['MODEL'] = config
    return config


@pytest.mark.parametrize('config', [
    None, 3, 'no: [yaml', '[' * 5000, 'text', dict(model='swin'), dict(MODEL=1, TRAIN={}), []])
def test_what_is_no_recipe_is_none(config):
    assert read_recipe(dict(config=config, hyper_parameters=[1]), pretraining=True) is None


@pytest.mark.parametrize('broken', [
    dict(TRAIN={}), dict(TRAIN=dict(BASE_LR='fast')), dict(TRAIN=dict(BASE_LR=0.1, OPTIMIZER=3)),
    dict(TRAIN=dict(BASE_LR=[1])), dict(TRAIN=dict(BASE_LR=0.))])
def test_a_recipe_that_makes_no_sense_is_said(broken):
    config = dict(MODEL=dict(TYPE='swinv2'), **broken) if 'MODEL' not in broken else broken
    if broken == dict(TRAIN=dict(BASE_LR=0.)):
        config['TRAIN'] |= dict(WARMUP_LR=1e-6)
    with pytest.raises(UserError, match='cannot be understood'):
        read_recipe(dict(config=config), pretraining=True)


def many():
    """A recipe beside what would be 10 ** 11 dictionaries if each were copied as often as it is named."""
    node = {}
    for _ in range(11):
        node = {str(key): node for key in range(10)}
    return dict(plain(official_recipe('pretrain')), node=node)


@pytest.mark.parametrize('config', [nested, many])
def test_a_recipe_that_holds_itself_is_read(config):
    assert read_recipe(dict(config=config()), pretraining=True).settings['train_cfg.max_epochs'] == 800


class Hostile(dict):
    """Pickles under the name of a yacs node, with a call of its own."""

    def __reduce__(self):
        return os.mkdir, (self['path'], )


class Shadowing(dict):
    """A yacs node whose attributes hide the methods of dictionaries."""

    def __reduce__(self):
        hidden = {name: 'mine' for name in ('items', 'get', 'keys', 'values', '__class__', '__iter__')}
        return copyreg.__newobj__, (Shadowing, ), hidden, None, iter(self.items())


@pytest.fixture
def yacs(monkeypatch):
    """A function that saves with a class that goes by the name of yacs's."""

    def save(content, path, node_class):
        node_class.__module__, node_class.__qualname__, node_class.__name__ = 'yacs.config', 'CfgNode', 'CfgNode'
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, 'yacs', types.ModuleType('yacs'))
            patch.setitem(sys.modules, 'yacs.config', types.SimpleNamespace(CfgNode=node_class))
            torch.save(content, path)

    return save


def test_a_node_that_would_call_something_is_refused(tmp_path, yacs):
    victim = tmp_path / 'victim'
    yacs(dict(config=Hostile(path=str(victim)), model={}), tmp_path / 'x.pth', Hostile)
    with pytest.raises(UnsafeCheckpoint, match=r'only with (posix|nt)\.mkdir, which may run code; it was not run'):
        read_checkpoint(str(tmp_path / 'x.pth'))
    assert not victim.exists()


def test_attributes_of_a_node_hide_nothing(tmp_path, yacs):
    config = Shadowing(plain(official_recipe('pretrain')))
    yacs(dict(config=config, model={}), tmp_path / 'x.pth', Shadowing)
    content = read_checkpoint(str(tmp_path / 'x.pth'))
    assert content['config'].get != 'mine' and 'get' not in vars(content['config'])
    content['config'].get = 'mine'  # as in a file that someone else has read
    recipe = read_recipe(content, pretraining=True)
    assert recipe.settings['train_cfg.max_epochs'] == 800
