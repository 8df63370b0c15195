"""Variables are replaced while MMEngine reads, and MMEngine is as it was after that."""

from copy import deepcopy

import mmengine.config.config as mmengine_config
import pytest
from mmengine.config import Config

from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.commands.config.reading import ConfigReading


def read(folder, text, **replace):
    """The config of a text with other values of some variables."""
    path = folder / 'config.py'
    path.write_text(text)
    functions = {name: lambda _, new=new: deepcopy(new) for name, new in replace.items()}
    return ConfigReading(str(path), {str(path): functions}).read()


@pytest.mark.parametrize('text, expected', [
    ('a = b = 1\nc = a + b', 6), ('a, (b, *c) = 1, (2, 3)\nc = a + b', 7), ('a: int = 1\nc = a', 5),
    ('a = 1\na += 1\nc = a', 5), ('if True:\n    a = 1\nelse:\n    a = 2\nc = a', 5),
    ('try:\n    a = 1 / 0\nexcept ZeroDivisionError:\n    a = 2\nc = a', 5), ('a = 1\nc = [a for _ in "x"][0]', 5),
    ('def f():\n    a = 1\n    return a\na = 2\nc = a + f()', 6), ('a = 1\ndel a\nc = 5', 5), ('a: int\nc = 5', 5),
    ('a = 1\nprint(a)\nc = a', 5)])
def test_each_way_to_assign(text, expected, tmp_path):
    assert read(tmp_path, text, a=5).c == expected


def test_a_value_changed_in_place_is_replaced_anew(tmp_path):
    text = "a = dict(x=[1])\na['x'][0] = 2\na.update(x=[3])\ndel a['x'][0]\nc = a"
    assert read(tmp_path, text, a=dict(x=[5])).c == dict(x=[5])


def test_pure_python_configs(tmp_path):
    (tmp_path / 'base.py').write_text("""
from torch.optim import SGD
data_root = 'data/mine'
optimizer = dict(type=SGD, lr=0.1)
optim_wrapper = dict(optimizer=optimizer)
""")
    (tmp_path / 'derived.py').write_text("""
from mmengine.config import read_base
with read_base():
    from .base import *
train_dataloader = dict(dataset=dict(data_root=f'{data_root}/train'))
""")
    options = {'data_root': '/new', 'optimizer.lr': 0.2, 'optimizer.momentum': 0.9}
    cfg, messages = read_with_options(str(tmp_path / 'derived.py'), options)
    assert cfg.train_dataloader.dataset.data_root == '/new/train'
    assert cfg.optim_wrapper.optimizer.lr == 0.2 and cfg.optim_wrapper.optimizer.type.__name__ == 'SGD'
    assert cfg.to_dict()['optim_wrapper']['optimizer'] == dict(type='torch.optim.SGD', lr=0.2, momentum=0.9)
    assert [message for message in messages if 'base.py' not in message and 'no such key' not in message] == []
    assert '__' not in ''.join(cfg.keys())


def test_bases_of_packages_keep_their_scope(tmp_path):
    (tmp_path / 'config.py').write_text("""
_base_ = 'mmdet::_base_/datasets/coco_detection.py'
train_dataloader = dict(batch_size=1)
""")
    path = str(tmp_path / 'config.py')
    cfg, messages = read_with_options(path, dict(data_root='/coco'))
    assert cfg.pretty_text == Config.fromfile(path).pretty_text.replace('data/coco/', '/coco/')
    assert 'coco_detection.py' in messages[0] and len(messages) == 1


def test_yaml_has_no_references_and_follows_by_values(tmp_path):
    (tmp_path / 'config.yaml').write_text('data_root: data/mine\ntrain_dataloader: {data_root: data/mine}\n')
    cfg, messages = read_with_options(str(tmp_path / 'config.yaml'), dict(data_root='/new'))
    assert cfg.data_root == cfg.train_dataloader.data_root == '/new'
    assert messages[0].endswith('were changed as well: train_dataloader.data_root.')


@pytest.mark.parametrize('text', ['a = 1', 'a = 1 / 0'])
def test_mmengine_is_as_before(text, tmp_path):
    before = dict(vars(mmengine_config))
    try:
        read(tmp_path, text, a=2)
    except ZeroDivisionError:
        pass
    assert vars(mmengine_config) == before
