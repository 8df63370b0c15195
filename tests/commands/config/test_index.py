"""The index of the shipped configs says what the configs say, or is not believed."""

import ast
import json
import shutil

import pytest

from mmsimmim.commands.config import index as config_index
from mmsimmim.commands.config.index import NAME, Index, encoder_settings, find_configs, fingerprint, make_index
from mmsimmim.shipped import configs_folder

WRITE = 'python -m mmsimmim.commands.config.index'
BACKBONE = "dict(type='mmsimmim.SwinTransformer', arch='tiny', window_size=({}, 7, 7, 7))"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Configs with an index: one of a base, one of another encoder, one that cannot be indexed."""
    texts = {'_base_/model.py': f'model = dict(backbone={BACKBONE.format(7)})',
             'det/swin.py': "_base_ = '../_base_/model.py'  # a comment\nx = 1",
             'other.py': "model = dict(backbone=dict(type='ResNet', depth=50))",
             'imports.py': "import os\nmodel = dict(backbone=dict(type='mmsimmim.SwinTransformer', arch=os.name))"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / NAME).write_text(json.dumps(make_index(tmp_path)))
    config_index._parts.cache_clear()
    yield tmp_path
    config_index._parts.cache_clear()


@pytest.fixture
def read(monkeypatch):
    """Names of the configs that were read."""
    names = []
    monkeypatch.setattr(config_index, 'encoder_settings',
                        lambda path: names.append(path.name) or encoder_settings(path))
    return names


def test_what_is_in_the_index_is_not_read_and_equals_what_would_be(folder, read):
    index = Index(folder)
    for path in find_configs(folder):
        assert index.encoder_of(path) == encoder_settings(path)
    assert read == ['imports.py']
    settings = index.encoder_of(folder / 'det' / 'swin.py')
    assert settings['window_size'] == (7, 7, 7, 7) and type(settings['window_size']) is tuple
    assert index.encoder_of(folder / 'other.py') is None


@pytest.mark.parametrize('name, text', [
    ('_base_/model.py', f'model = dict(backbone={BACKBONE.format(14)})'),
    ('det/swin.py', f"_base_ = '../_base_/model.py'\nmodel = dict(backbone={BACKBONE.format(14)})")])
def test_a_config_that_changed_is_read(folder, read, name, text):
    (folder / name).write_text(text)
    assert Index(folder).encoder_of(folder / 'det' / 'swin.py')['window_size'] == (14, 7, 7, 7)
    assert read == ['swin.py']


def test_a_config_that_is_not_in_the_index_is_read(folder, read, tmp_path):
    (folder / 'new.py').write_text(f'model = dict(backbone={BACKBONE.format(3)})')
    assert Index(folder).encoder_of(folder / 'new.py')['window_size'] == (3, 7, 7, 7)
    (folder / NAME).unlink()
    assert Index(folder).encoder_of(folder / 'other.py') is None
    assert read == ['new.py', 'other.py']


MODEL = "_base_ = '../_base_/model.py'\nwidth = 1\nmodel = dict(backbone=dict(drop_path_rate=width))\n"


@pytest.fixture
def number(folder):
    """A function from the text of a config to its fingerprint."""
    def number(text=MODEL, base=None):
        (folder / 'det' / 'swin.py').write_text(text)
        if base:
            (folder / '_base_' / 'model.py').write_text(base)
        config_index._parts.cache_clear()
        return fingerprint(folder / 'det' / 'swin.py')
    return number


@pytest.mark.parametrize('text', [
    MODEL + '# a comment\n\n', MODEL.replace('=', '  =  '), MODEL + 'other = 1\n', 'import os\n' + MODEL,
    MODEL + "folder = '{{ fileDirname }}'\n", MODEL + 'loader = dict(width=width)\n'])
def test_what_does_not_concern_the_model_leaves_the_fingerprint(number, text):
    assert number(text) == number() is not None


@pytest.mark.parametrize('text', [
    MODEL.replace('width = 1', 'width = 2'), MODEL + "model['x'] = 1", MODEL + 'model.update(x=1)', MODEL + 'del model',
    MODEL + 'for x in [1]:\n    model[x] = 1', MODEL.replace('=width', '=_base_.depth'),
    MODEL.replace('=width', "='{{_base_.depth}}'"), MODEL.replace('=width', "='{{$MMSIMMIM_TEST:1}}'")])
def test_what_concerns_the_model_changes_the_fingerprint(number, text):
    assert None is not number(text) != number()


def test_variables_of_a_base_and_of_the_environment_count_where_they_are_used(number, monkeypatch):
    base = f'model = dict(backbone={BACKBONE.format(7)})\ndepth = '
    assert number(base=base + '1') == number(base=base + '2')
    uses = MODEL.replace('=width', '=_base_.depth')
    assert number(uses, base + '1') != number(uses, base + '2')
    uses, before = MODEL.replace('=width', "='{{$MMSIMMIM_TEST:1}}'"), number()
    monkeypatch.setenv('MMSIMMIM_TEST', '3')
    assert number() == before and number(uses) != before


@pytest.mark.parametrize('text', [
    MODEL.replace('model.py', 'nowhere.py'), MODEL.replace('=width', "='{{ fileDirname }}'"), 'x = (',
    '_base_ = [name]', 'import os as width\n' + MODEL, 'from os import *\n' + MODEL.replace('=width', '=name'),
    'from mmengine.config import read_base\nwith read_base():\n    from .._base_.model import *'])
def test_what_the_text_cannot_tell_has_no_fingerprint(number, text):
    assert number(text) is None


def test_the_index_of_the_shipped_configs_is_current():
    folder = configs_folder()
    content = json.loads((folder / NAME).read_text())
    paths = {path.relative_to(folder).as_posix(): path for path in find_configs(folder)}
    assert content['configs'].keys() == paths.keys(), f'run: {WRITE}'
    changed = [name for name, path in paths.items() if content['configs'][name]['fingerprint'] != fingerprint(path)]
    # Bases that come with another release of a framework may differ: such configs are read.
    assert not [name for name in changed if not inherits_from_a_framework(paths[name])], f'run: {WRITE}'


def inherits_from_a_framework(path):
    bases = config_index._bases(ast.parse(path.read_text()))
    return any('::' in base or inherits_from_a_framework(config_index._path_of(base, path)) for base in bases)


def test_entries_of_the_shipped_index_are_what_the_configs_say():
    folder, index = configs_folder(), Index()
    content = json.loads((folder / NAME).read_text())
    first = {entry['encoder']: name for name, entry in reversed(content['configs'].items())}
    for number, name in [*first.items()][::4]:
        settings = encoder_settings(folder / name)
        assert index.encoder_of(folder / name) == settings
        assert repr(settings) == content['encoders'][number]


def test_a_copy_without_the_index_gives_the_same(tmp_path):
    shutil.copytree(configs_folder(), tmp_path / 'configs')
    copied = Index(tmp_path / 'configs')
    for path in find_configs(tmp_path / 'configs' / 'demo'):
        name = path.relative_to(tmp_path / 'configs')
        assert copied.encoder_of(path) == Index().encoder_of(configs_folder() / name) == encoder_settings(path)


@pytest.mark.parametrize('content', ['', '{"encoders": [', '[]', '{"encoders": ["dict("], "configs": {}}'])
def test_a_damaged_index_is_as_none(folder, read, content):
    (folder / NAME).write_text(content)
    path = next(path for path in find_configs(folder) if path.name != 'imports.py')
    assert Index(folder).encoder_of(path) == encoder_settings(path) and path.name in read
