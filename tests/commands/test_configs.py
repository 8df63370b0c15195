"""mmsimmim configs lists the shipped configs, shows them and copies them out."""

import os

import pytest
from mmengine.config import Config

from mmsimmim.commands import configs
from mmsimmim.errors import UserError
from mmsimmim.shipped import configs_folder

NAME = 'pretrain/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py'


def test_all_configs_are_listed_and_words_narrow_the_list_down():
    names = configs.matching([])
    assert NAME in names and not [name for name in names if '_base_' in name]
    assert len(names) == len([path for path in configs_folder().rglob('*.py') if '_base_' not in path.parts])
    assert configs.matching(['SWIN-TINY', 'folder', 'pretrain/']) == [NAME]
    with pytest.raises(UserError, match='No config has all of swin, resnet in its name'):
        configs.matching(['swin', 'resnet'])


@pytest.mark.parametrize('name', [NAME, NAME.split('/')[1], NAME.split('/')[1][:-3], f'mmsimmim::{NAME}',
                                  str(configs_folder() / NAME)])
def test_every_way_to_name_a_config_finds_it(name):
    assert os.path.realpath(configs.find(name)) == str(configs_folder() / NAME)


def test_a_name_of_two_is_asked_for_and_an_unknown_one_is_told(monkeypatch):
    monkeypatch.setattr(configs, 'shipped_names', lambda: ['det/a.py', 'seg/a.py'])
    with pytest.raises(UserError, match='a.py is the name of several configs: det/a.py, seg/a.py'):
        configs.find('a.py')
    with pytest.raises(UserError, match='The config b.py does not exist'):
        configs.resolved_text('b.py')


def test_a_copy_is_one_file_that_says_the_same(tmp_path):
    path = configs.copy_out(NAME, tmp_path)
    assert path == tmp_path / NAME.split('/')[1] and list(tmp_path.iterdir()) == [path]
    assert '_base_' not in path.read_text(encoding='utf-8')
    assert Config.fromfile(path).to_dict() == Config.fromfile(configs_folder() / NAME).to_dict()


def test_a_copy_replaces_a_file_only_by_force(tmp_path):
    path = tmp_path / 'sub' / 'mine.py'
    configs.copy_out(NAME, path)
    path.write_text('mine')
    with pytest.raises(UserError, match='mine.py is there already'):
        configs.copy_out(NAME, path)
    assert path.read_text() == 'mine'
    configs.copy_out(NAME, path, force=True)
    assert path.read_text() != 'mine'


def test_a_part_is_shown_alone():
    text = configs.resolved_text(NAME, 'model.backbone')
    assert text.startswith('backbone = dict(') and "type='mmsimmim.SwinTransformer'" in text
    with pytest.raises(UserError, match='has no model.bone'):
        configs.resolved_text(NAME, 'model.bone')
