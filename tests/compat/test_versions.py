"""What is said about missing and unsupported dependencies."""

import importlib.util

import pytest

from mmsimmim.compat import versions

GOOD = {
    'torch': '2.11.0+cu130',
    'torchvision': '0.26.0+cu130',
    'mmengine': '0.10.7',
    'mmpretrain': '1.2.0',
    'mmcv-lite': '2.1.0',
    'mmdet': '3.3.0',
    'mmsegmentation': '1.2.2',
    'setuptools': '80.10.2',
}


@pytest.fixture
def problems(monkeypatch):
    """Function of changes to a good set of installed versions; None takes a package away."""

    def find(absent_modules=(), torchvision_loads=True, **changes):
        installed = {**GOOD, **{name.replace('_', '-'): version for name, version in changes.items()}}
        monkeypatch.setattr(versions, 'installed_version', lambda name: installed.get(name))
        monkeypatch.setattr(versions, '_torchvision_loads', lambda: torchvision_loads)
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(
            versions.importlib.util, 'find_spec', lambda name: None if name in absent_modules else find_spec('json')
        )
        result = versions.find_problems()
        monkeypatch.undo()
        return result

    return find


def test_tested_versions_give_no_message(problems):
    assert problems() == ([], [])


def test_oldest_and_newest_pair_give_no_message(problems):
    assert problems(torch='2.4.1+cu121', torchvision='0.19.1+cu121') == ([], [])
    assert problems(torch='2.13.0', torchvision='0.28.0') == ([], [])


def test_missing_package_is_named_with_what_is_wanted_and_the_command(problems):
    blocking, doubtful = problems(mmengine=None)
    assert blocking == ["mmengine: found nothing, wanted >=0.10.7,<0.11. Command: pip install 'mmengine==0.10.7'"]
    assert doubtful == []


def test_all_problems_are_listed_together(problems):
    blocking, _ = problems(mmengine='0.9.1', mmpretrain=None, mmcv_lite=None)
    assert [line.split(',')[0] for line in blocking] == [
        'mmengine: found 0.9.1',
        'mmpretrain: found nothing',
        'mmcv or mmcv-lite: found nothing',
    ]
    assert "pip install 'mmcv-lite==2.1.0'" in blocking[2]


def test_old_torch_blocks(problems):
    blocking, _ = problems(torch='2.3.1', torchvision='0.18.1')
    assert blocking[0].startswith('torch: found 2.3.1, wanted >=2.4')
    assert blocking[1].startswith('torchvision: found 0.18.1, wanted >=0.19')


def test_untried_newer_version_only_warns(problems):
    blocking, doubtful = problems(torch='2.14.0', torchvision='0.29.0', mmpretrain='1.10.0')
    assert blocking == []
    assert [line.split(':')[0] for line in doubtful] == ['torch', 'torchvision', 'mmpretrain']


def test_torchvision_of_another_release_blocks(problems):
    blocking, _ = problems(torchvision='0.25.0')
    assert blocking[0].startswith('torchvision: found 0.25.0, wanted 0.26 beside torch 2.11.0')


def test_torchvision_of_another_build_blocks_if_it_does_not_load(problems):
    assert problems(torch='2.11.0+cpu', torchvision='0.26.0') == ([], [])
    blocking, _ = problems(torch='2.11.0+cpu', torchvision='0.26.0', torchvision_loads=False)
    assert 'the build that goes with torch 2.11.0+cpu' in blocking[0]


@pytest.mark.parametrize('name, found', [('mmdet', '3.2.0'), ('mmdet', '4.0.0'), ('mmsegmentation', '0.30.0')])
def test_optional_package_of_unsupported_version_warns(problems, name, found):
    blocking, doubtful = problems(**{name: found})
    assert blocking == []
    assert len(doubtful) == 1 and doubtful[0].startswith(f'{name}: found {found}, wanted >=')


def test_optional_packages_may_be_absent(problems):
    assert problems(mmdet=None, mmsegmentation=None) == ([], [])


def test_both_mmcv_are_reported(problems):
    blocking, doubtful = problems(mmcv='2.1.0')
    assert blocking == []
    assert 'mmcv 2.1.0 and mmcv-lite 2.1.0' in doubtful[0] and 'pip uninstall -y mmcv mmcv-lite' in doubtful[0]


def test_mmcv_that_mmdet_refuses_is_reported(problems):
    blocking, doubtful = problems(mmcv='2.2.0', mmcv_lite=None)
    assert blocking == []
    assert doubtful[0].startswith('mmcv: found 2.2.0, wanted >=2.1.0,<2.2.0')


def test_missing_pkg_resources_and_ftfy_are_reported(problems):
    _, doubtful = problems(absent_modules=('pkg_resources', 'ftfy'), setuptools='82.0.0')
    assert doubtful[0].startswith('setuptools: found 82.0.0, wanted <81')
    assert doubtful[1].startswith('ftfy: found nothing')


def test_check_versions_raises_one_import_error(monkeypatch):
    monkeypatch.setattr(versions, 'find_problems', lambda: (['a: found 1', 'b: found 2'], ['c: found 3']))
    with pytest.raises(ImportError) as error:
        versions.check_versions()
    assert str(error.value) == 'mmsimmim cannot run with what is installed here:\n  - a: found 1\n  - b: found 2'


def test_check_versions_warns_of_the_rest(monkeypatch):
    monkeypatch.setattr(versions, 'find_problems', lambda: ([], ['c: found 3']))
    with pytest.warns(UserWarning, match='c: found 3'):
        versions.check_versions()


@pytest.mark.parametrize(
    'version, numbers',
    [('2.11.0+cu130', (2, 11, 0)), ('2.4.0a0+git1', (2, 4, 0)), ('1.2', (1, 2)), ('0.11.0rc0', (0, 11, 0)), ('', ())],
)
def test_release(version, numbers):
    assert versions.release(version) == numbers
