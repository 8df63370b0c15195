"""Which distributions are found to fill the folders of OpenMMLab's import packages."""

import importlib.metadata

import pytest

from mmsimmim.compat import stacks


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages that alone is on the path; a function that puts a distribution there."""
    monkeypatch.setattr('sys.path', [str(tmp_path)])
    monkeypatch.delitem(stacks.importlib.util.sys.modules, 'mmcv', raising=False)

    def install(module, name=None, version='1.0', source=''):
        folder = tmp_path / module
        folder.mkdir(exist_ok=True)
        (folder / '__init__.py').touch()
        (folder / 'version.py').write_text(source)
        if name:
            info = tmp_path / f'{name.replace("-", "_")}-{version}.dist-info'
            info.mkdir()
            (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
            (info / 'top_level.txt').write_text(f'{module}\n')

    return install


def found(module='mmcv'):
    return [(str(one), one.stack) for one in stacks.find_installed(module)]


def test_nothing_is_found_where_nothing_is(site):
    assert found() == []


@pytest.mark.parametrize('name, stack', [('mmcv', stacks.UPSTREAM), ('mmcv-lite', stacks.UPSTREAM),
                                         ('onedl-mmcv', stacks.ONEDL)])
def test_a_distribution_tells_its_family(site, monkeypatch, name, stack):
    monkeypatch.setattr(importlib.metadata, 'packages_distributions', None)  # which takes long
    site('mmcv', name, '2.1.0')
    assert found() == [(f'{name} 2.1.0', stack)]


def test_all_that_fill_one_folder_are_found(site):
    site('mmcv', 'mmcv-lite', '2.1.0')
    site('mmcv', 'onedl-mmcv', '2.3.6')
    assert found() == [('onedl-mmcv 2.3.6', stacks.ONEDL), ('mmcv-lite 2.1.0', stacks.UPSTREAM)]


def test_a_distribution_of_another_name_is_found_by_its_folder(site):
    site('mmcv', 'acme-mmcv', '2.3.6')
    site('mmdet', 'mmdet')
    assert found() == [('acme-mmcv 2.3.6', None)]


@pytest.mark.parametrize('source, version', [("__version__ = '2.1.0'\n", '2.1.0'),
                                             ("__version__ = version('onedl-mmcv')\n", 'of unknown version')])
def test_sources_on_the_path_tell_their_version_if_they_hold_one(site, source, version):
    site('mmcv', source=source)
    assert found() == [(f'mmcv {version}', None)]


def test_a_folder_of_that_name_is_no_package(site, tmp_path):
    (tmp_path / 'mmcv').mkdir()
    assert found() == []


def one(module, stack):
    return [stacks.Installed(module, 'x', '1', stack)]


@pytest.mark.parametrize('mmengine, others, expected', [
    ([stacks.UPSTREAM], stacks.ONEDL, stacks.UPSTREAM),
    ([stacks.ONEDL], stacks.UPSTREAM, stacks.ONEDL),
    ([stacks.ONEDL, stacks.UPSTREAM], stacks.UPSTREAM, stacks.UPSTREAM),
    ([None], stacks.UPSTREAM, stacks.UPSTREAM),
    ([], stacks.UPSTREAM, stacks.UPSTREAM),
    ([], None, stacks.ONEDL)])
def test_the_family_in_use_is_that_of_mmengine_or_of_most(mmengine, others, expected):
    found = dict(mmengine=[stacks.Installed('mmengine', 'x', '1', stack) for stack in mmengine], mmcv=[],
                 mmdet=one('mmdet', others), mmseg=one('mmseg', others))
    assert stacks.stack_in_use(found) is expected
