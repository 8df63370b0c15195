"""MMEngine finds packages, and configs of other packages, with no pkg_resources and none of its warnings."""

import importlib
import os.path as osp
import sys
import warnings

import mmengine.config.config
import mmengine.utils
import pytest
from mmengine.config import Config

import mmsimmim  # noqa: F401
from mmsimmim.compat import pkg_resources_gone
from mmsimmim.compat.pkg_resources_gone import get_installed_path, is_installed, package2module


@pytest.fixture
def no_pkg_resources(monkeypatch):
    """As from setuptools 82 on."""
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


def test_configs_of_other_packages_are_read(no_pkg_resources):
    pytest.importorskip('mmdet')
    assert Config.fromfile('configs/demo/atss_swin-demo-w8_fpn_1xb2-140i_trees-256px.py').model.type == 'ATSS'


def test_every_name_of_the_functions_is_replaced(no_pkg_resources):
    for module in (mmengine.utils, mmengine.utils.package_utils, mmengine.config.config):
        assert module.is_installed('mmengine') and not module.is_installed('mm_nothing')
        assert module.get_installed_path('mmengine') == osp.dirname(mmengine.__file__)


def test_paths_are_those_of_mmengine(tmp_path, monkeypatch):
    """By the name of a distribution or of a module, installed or only on the path."""
    (tmp_path / 'on_path').mkdir()
    (tmp_path / 'on_path' / '__init__.py').touch()
    (tmp_path / 'namespace').mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert is_installed('on_path') and get_installed_path('on_path') == str(tmp_path / 'on_path')
    assert not is_installed('namespace')
    with pytest.raises(RuntimeError, match='namespace'):
        get_installed_path('namespace')
    assert not is_installed('mm_nothing')
    with pytest.raises(ImportError):
        get_installed_path('mm_nothing')
    with pytest.raises(ImportError):
        package2module('mm_nothing')


def test_names_of_distributions(tmp_path, monkeypatch):
    metadata = tmp_path / 'mm_named-1.0.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text('Metadata-Version: 2.1\nName: mm-named\nVersion: 1.0\n')
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match='infer'):
        package2module('mm-named')
    (metadata / 'top_level.txt').write_text('mmn\n')
    assert package2module('mm-named') == 'mmn' and is_installed('mm-named')
    (tmp_path / 'mmn').mkdir()
    assert get_installed_path('mm-named') == str(tmp_path / 'mmn')


def test_a_mended_mmengine_is_left_alone(monkeypatch):
    def is_installed(package):
        return True

    monkeypatch.setattr(mmengine.utils.package_utils, 'is_installed', is_installed)
    pkg_resources_gone.apply()
    assert mmengine.utils.package_utils.is_installed is is_installed
