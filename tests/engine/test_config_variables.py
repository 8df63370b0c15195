"""Options for variables of a config reach the places where the config has used them."""

import pytest
from mmengine.config import Config

from mmsimmim.engine.command_line import _merge
from mmsimmim.errors import UserError


@pytest.fixture
def cfg(tmp_path):
    (tmp_path / 'config.py').write_text("""
data_root = 'data/mine'
other_root = 'data/mine'
default_scope = 'mmpretrain'
size = 96
model = dict(img_size=size, pretrained=True, stem=1)
train_dataloader = dict(dataset=dict(type='Concat', datasets=[dict(data_root=data_root), dict(data_root='data/more')]))
val_dataloader = dict(dataset=dict(data_root=data_root, roots=(data_root, 'x'), scope='mmpretrain'))
val_evaluator = dict(ann_file=data_root + '/val.json', note='data/mine2')
""")
    return Config.fromfile(tmp_path / 'config.py')


def test_a_word_is_replaced_wherever_it_stands(cfg):
    messages = _merge(cfg, dict(data_root='/new'))
    assert cfg.data_root == cfg.train_dataloader.dataset.datasets[0].data_root == '/new'
    assert cfg.val_dataloader.dataset.data_root == cfg.val_dataloader.dataset.roots[0] == '/new'
    assert cfg.train_dataloader.dataset.datasets[1].data_root == 'data/more' and cfg.other_root == 'data/mine'
    for key in ('train_dataloader.dataset.datasets.0.data_root', 'val_dataloader.dataset.data_root',
                'val_dataloader.dataset.roots.0'):
        assert f"--cfg-options data_root: {key} was 'data/mine', too, and is now '/new'." in messages


def test_paths_of_the_data_below_it_follow(cfg):
    messages = _merge(cfg, dict(data_root='/new'))
    assert cfg.val_evaluator == dict(ann_file='/new/val.json', note='data/mine2')
    assert messages[-1] == ("--cfg-options data_root: val_evaluator.ann_file was 'data/mine/val.json', below it, and "
                            "is now '/new/val.json'.")


def test_a_folder_may_end_with_a_slash(cfg):
    cfg.data_root = cfg.val_dataloader.dataset.data_root = '/old/'
    cfg.val_evaluator.ann_file = '/old/val/a.json'
    _merge(cfg, dict(data_root='/newer'))
    assert cfg.val_evaluator.ann_file == '/newer/val/a.json'


def test_a_path_of_its_own_does_not_follow_the_folder(cfg):
    cfg.val_file = cfg.val_evaluator.ann_file
    _merge(cfg, dict(data_root='/new', val_file='data/mine/other.json'))
    assert cfg.val_evaluator.ann_file == 'data/mine/other.json'
    _merge(cfg, {'data_root': '/newer', 'val_evaluator.ann_file': '/new/kept.json'})
    assert cfg.val_evaluator.ann_file == '/new/kept.json'


def test_other_paths_below_it_are_named(cfg):
    cfg.model.checkpoint = 'data/mine/model.pth'
    message = _merge(cfg, dict(data_root='/new'))[-1]
    assert 'NOT changed' in message and message.endswith(': model.checkpoint.')
    assert cfg.model.checkpoint == 'data/mine/model.pth'


def test_options_of_their_own_come_first(cfg):
    _merge(cfg, {'data_root': '/new', 'val_dataloader.dataset.data_root': 'data/mine'})
    assert cfg.val_dataloader.dataset.data_root == 'data/mine'
    assert cfg.train_dataloader.dataset.datasets[0].data_root == '/new'


def test_settings_of_mmengine_are_no_variables(cfg):
    assert _merge(cfg, dict(default_scope='mmdet')) == []
    assert cfg.val_dataloader.dataset.scope == 'mmpretrain'


def test_a_number_is_reported_with_the_keys_that_hold_it(cfg):
    assert _merge(cfg, dict(size=192))[0].endswith('set it as well: model.img_size.')
    assert cfg.model.img_size == 96


def test_a_number_reaches_the_keys_of_its_name(cfg):
    cfg.num_classes = cfg.model.num_classes = cfg.model.depth = 10
    cfg.model.heads = [dict(num_classes=10), dict(num_classes=4)]
    messages = _merge(cfg, dict(num_classes=7))
    assert cfg.model.num_classes == cfg.model.heads[0].num_classes == 7
    assert cfg.model.heads[1].num_classes == 4 and cfg.model.depth == 10
    assert '--cfg-options num_classes: model.heads.0.num_classes was 10, too, and is now 7.' in messages
    assert messages[-1].endswith('set it as well: model.depth.')


def test_two_variables_of_one_value_cannot_be_told_apart(cfg):
    with pytest.raises(UserError, match='data_root other_root: .*train_dataloader.dataset.datasets.0.data_root'):
        _merge(cfg, dict(data_root='/a', other_root='/b'))
    _merge(cfg, dict(data_root='/a', other_root='/a'))
    assert cfg.val_dataloader.dataset.data_root == '/a'


def test_a_list_is_replaced_wherever_it_stands_and_its_length_with_it(cfg):
    cfg.classes = cfg.val_dataloader.dataset.classes = ('a', 'b', 'c')
    cfg.train_dataloader.dataset.datasets[0].metainfo = dict(classes=('a', 'b', 'c'), palette=None)
    cfg.train_dataloader.dataset.datasets[1].metainfo = dict(classes=('a', 'b'))
    cfg.model.heads = [dict(num_classes=3, depth=3), dict(num_classes=80)]
    messages = _merge(cfg, dict(classes=['nucleus']))
    assert cfg.val_dataloader.dataset.classes == ['nucleus']
    assert [dataset.metainfo.classes for dataset in cfg.train_dataloader.dataset.datasets] == [['nucleus'], ('a', 'b')]
    assert [head.num_classes for head in cfg.model.heads] == [1, 80] and cfg.model.heads[0].depth == 3
    assert '--cfg-options classes: model.heads.0.num_classes was 3, their number, and is now 1.' in messages
    _merge(cfg, {'classes': ['x', 'y'], 'model.heads.0.num_classes': 5})
    assert cfg.model.heads[0].num_classes == 5


def test_a_switch_reaches_the_keys_of_its_name(cfg):
    cfg.reduce = cfg.model.reduce = cfg.model.other = False
    assert _merge(cfg, dict(reduce=True)) == ['--cfg-options reduce: model.reduce was False, too, and is now True.']
    assert cfg.model.reduce and not cfg.model.other


@pytest.mark.parametrize('order', [1, -1])
def test_a_new_value_may_be_the_old_one_of_another_variable(cfg, order):
    cfg.train_images, cfg.val_images = 'images/train', 'images/val'
    cfg.train_dataloader.dataset.prefix, cfg.val_dataloader.dataset.prefix = 'images/train', 'images/val'
    options = dict(train_images='images/val', val_images='images/test')
    _merge(cfg, dict(list(options.items())[::order]))
    assert cfg.train_dataloader.dataset.prefix == 'images/val'
    assert cfg.val_dataloader.dataset.prefix == 'images/test'


def test_a_list_stays_a_list(cfg):
    cfg.classes = ('a', 'b')
    with pytest.raises(UserError, match=r'Write classes=\[nucleus\]'):
        _merge(cfg, dict(classes='nucleus'))
