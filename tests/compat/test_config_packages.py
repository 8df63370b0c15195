"""Configs are found by ``package::name``, under either OpenMMLab, in a checkout and in an installed wheel."""

import mmsimmim  # noqa: F401  (repairs before MMEngine looks anything up)  # isort: skip
import json
import sys
from pathlib import Path

import mmengine.hub
import pytest
from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from mmsimmim.compat import config_packages, stacks

REPO = Path(__file__).resolve().parents[2]
NAME = 'pretrain/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py'
LOADS = [mmengine.hub.get_config, lambda name: Config.fromstring(f"_base_ = '{name}'\n", '.py')]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """This package as a wheel or an editable install lays it out."""
    folder = tmp_path / 'site-packages' / 'mmsimmim'
    (folder / '.mim').mkdir(parents=True)
    for entry in ('configs', 'model-index.yml'):
        (folder / '.mim' / entry).symlink_to(REPO / entry)
    monkeypatch.setattr(config_packages, 'FOLDER', str(folder))
    return folder


@pytest.mark.parametrize('name', [NAME, 'det/atss_swin-tiny-w7-fpn_1xb2-amp-ms-crop-3x_custom_simmim-100e.py',
                                  'seg/upernet_swin-tiny-w7_1xb4-amp-40k_folder-512px_simmim-100e.py'])
def test_a_config_of_ours_is_a_base_as_if_named_by_its_path(package, tmp_path, name):
    config = tmp_path / 'mine.py'
    config.write_text(f"_base_ = 'mmsimmim::{name}'\nwork_dir = 'mine'\n")
    cfg, own = Config.fromfile(config), Config.fromfile(REPO / 'configs' / name)
    assert cfg.work_dir == 'mine'
    # with the scopes in which each part is looked for, which print() leaves out
    assert {**cfg.to_dict(), 'work_dir': None} == {**own.to_dict(), 'work_dir': None}


def test_every_shipped_config_is_found():
    configs = REPO / 'configs'
    for path in configs.rglob('*.py'):
        found, scope = Config._get_cfg_path(f'mmsimmim::{path.relative_to(configs).as_posix()}', '')
        assert Path(found).samefile(path) and scope is None


@pytest.mark.parametrize('suffix, write', [('.json', json.dumps), ('.yml', json.dumps)])  # JSON is YAML, too
def test_a_config_of_ours_is_a_base_of_other_formats_and_in_lists(package, tmp_path, suffix, write):
    config = tmp_path / f'mine{suffix}'
    config.write_text(write(dict(_base_=[f'mmsimmim::{NAME}'], data_root='/data/aerial')))
    assert Config.fromfile(config).model.type == 'mmsimmim.SimMIM'


def test_get_config_knows_ours_by_metafile_and_by_path(package):
    cfg = mmengine.hub.get_config(f'mmsimmim::{NAME}')
    assert cfg.filename == str(package / '.mim/configs' / NAME)
    assert mmengine.hub.get_config('mmsimmim::_base_/models/simmim_swin-tiny-w6.py').model.type == 'mmsimmim.SimMIM'


@pytest.mark.parametrize('load', LOADS)
def test_a_wrong_name_is_told_with_those_that_are_like_it(package, load):
    wrong = NAME.replace('tiny', 'tniy')
    with pytest.raises(FileNotFoundError) as error:
        load(f'mmsimmim::{wrong}')
    assert f'mmsimmim has no config {wrong} (looked in {package}' in str(error.value)
    assert f'Did you mean mmsimmim::{NAME}' in str(error.value)


@pytest.mark.parametrize('load', LOADS)
def test_a_package_without_its_configs_is_told_with_what_brings_them(package, load):
    (package / '.mim').rename(package / 'elsewhere')
    with pytest.raises(FileNotFoundError, match=f'{package} has no folder .mim with configs.*pip install -e'):
        load(f'mmsimmim::{NAME}')


@pytest.mark.parametrize('base', ['mmseg::_base_/schedules/schedule_20k.py', 'mmdet::_base_/default_runtime.py',
                                  'mmpretrain::_base_/default_runtime.py'])
def test_bases_of_the_frameworks_are_found_without_pkg_resources_and_metafiles(base, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    monkeypatch.setattr(mmengine.config.utils, 'load', None)  # what reads a metafile
    assert len(Config.fromstring(f"_base_ = '{base}'\n", '.py')) > 1


@pytest.mark.parametrize('stack', stacks.STACKS, ids=[stack.name for stack in stacks.STACKS])
def test_the_table_names_the_distributions_of_the_family(stack, monkeypatch):
    for module in stacks.MODULES:
        monkeypatch.setitem(MODULE2PACKAGE, module, '')
    monkeypatch.delitem(MODULE2PACKAGE, 'mmcv')
    monkeypatch.setattr(config_packages, 'stack_in_use', lambda found: stack)
    config_packages._complete(mmengine.config.utils)
    assert MODULE2PACKAGE['mmseg'] == stack.packages['mmseg'].name
    assert MODULE2PACKAGE['mmdet'] == stack.packages['mmdet'].name
    assert 'mmcv' not in MODULE2PACKAGE
    assert MODULE2PACKAGE['mmsimmim'] == 'mmsimmim'
