"""What is said about missing and unsupported dependencies."""

import importlib.util

import pytest

from mmsimmim.compat import stacks, versions

TORCH = {'torch': '2.11.0+cu130', 'torchvision': '0.26.0+cu130', 'setuptools': '80.10.2'}
UPSTREAM = {'mmengine': '0.10.7', 'mmpretrain': '1.2.0', 'mmcv-lite': '2.1.0', 'mmdet': '3.3.0',
            'mmsegmentation': '1.2.2'}
ONEDL = {'onedl-mmengine': '0.10.12', 'onedl-mmpretrain': '1.3.6', 'onedl-mmcv': '2.3.6', 'onedl-mmdetection': '3.5.1',
         'onedl-mmsegmentation': '1.4.2'}
FAMILIES = dict(upstream=UPSTREAM, onedl=ONEDL)
EVERY_UPSTREAM = ("pip install 'mmengine==0.10.7' 'mmcv-lite==2.1.0' 'mmpretrain==1.2.0' 'mmdet==3.3.0' "
                  "'mmsegmentation==1.2.2' 'setuptools<81' 'ftfy' 'regex'")
EVERY_ONEDL = ("pip install 'onedl-mmengine==0.10.12' 'onedl-mmcv==2.3.6' 'onedl-mmpretrain==1.3.6' "
               "'onedl-mmdetection==3.5.1' 'onedl-mmsegmentation==1.4.2'")


@pytest.fixture
def problems(monkeypatch):
    """Function of a set of installed versions and of changes to it; None takes a package away."""

    def find(start=UPSTREAM, absent_modules=(), torchvision_loads=True, torch_asked_for=('', ''), **changes):
        changes = {name.replace('_', '-'): version for name, version in changes.items()}
        installed = {name: version for name, version in {**TORCH, **start, **changes}.items() if version is not None}
        folders = {module for module in stacks.MODULES for stack in stacks.STACKS
                   if set(stack.distributions(module)) & set(installed)}
        real = importlib.util.find_spec

        def find_spec(name):
            absent = name in absent_modules or name in stacks.MODULES and name not in folders
            return None if absent else real('json')

        with monkeypatch.context() as patch:
            for module in (stacks, versions):
                patch.setattr(module, 'installed_version', installed.get)
            patch.setattr(versions, 'torch_asked_for', lambda: torch_asked_for)
            patch.setattr(versions, '_torchvision_loads', lambda: torchvision_loads)
            patch.setattr(importlib.util, 'find_spec', find_spec)
            return versions.find_problems()

    return find


@pytest.mark.parametrize('start', FAMILIES.values(), ids=FAMILIES)
def test_tested_versions_give_no_message(problems, start):
    assert problems(start) == ([], [])


def test_oldest_and_newest_pair_give_no_message(problems):
    assert problems(torch='2.4.1+cu121', torchvision='0.19.1+cu121') == ([], [])
    assert problems(torch='2.15.0', torchvision='0.29.2') == ([], [])


def test_missing_package_is_named_with_what_is_wanted_and_the_command(problems):
    blocking, doubtful = problems(mmengine=None)
    assert blocking == ["mmengine: found nothing, wanted >=0.10.7,<0.11. Command: pip install 'mmengine==0.10.7'"]
    assert doubtful == []
    blocking, doubtful = problems(ONEDL, onedl_mmcv=None)
    assert blocking == ["onedl-mmcv: found nothing, wanted >=2.3.6,<2.4. Command: pip install 'onedl-mmcv==2.3.6'"]
    assert doubtful == []


def test_with_neither_family_both_commands_are_given_and_the_default_is_first(problems):
    blocking, doubtful = problems({})
    assert blocking == [
        f'OpenMMLab: found nothing, wanted one of its two families. Command: {EVERY_ONEDL} (the maintained fork), '
        f'or {EVERY_UPSTREAM} (the last releases of OpenMMLab itself)']
    assert doubtful == []


def test_all_problems_are_listed_together(problems):
    blocking, _ = problems(mmengine='0.9.1', mmpretrain=None, mmcv_lite=None)
    assert [line.split(',')[0] for line in blocking] == [
        'mmengine: found 0.9.1',
        'mmcv-lite: found nothing',
        'mmpretrain: found nothing',
    ]
    assert "pip install 'mmcv-lite==2.1.0'" in blocking[1]


def test_old_torch_blocks(problems):
    blocking, _ = problems(torch='2.3.1', torchvision='0.18.1')
    assert blocking[0].startswith('torch: found 2.3.1, wanted >=2.4')
    assert blocking[1].startswith('torchvision: found 0.18.1, wanted >=0.19')


def test_untried_newer_version_only_warns(problems):
    blocking, doubtful = problems(torch='2.16.0', torchvision='0.30.0', mmpretrain='1.10.0')
    assert blocking == []
    assert [line.split(':')[0] for line in doubtful] == ['torch', 'torchvision', 'mmpretrain']
    blocking, doubtful = problems(ONEDL, onedl_mmdetection='3.6.0')
    assert blocking == []
    assert [line.split('.')[0] for line in doubtful] == ['onedl-mmdetection: found 3']


@pytest.mark.parametrize('torch, asked_for', [('2.11.0+cu130', ('==', '2.10.0')), ('2.10.0', ('==', '2.11.0')),
                                              ('2.13.0', ('>=', '2.14.0'))])
def test_torchvision_that_asks_for_another_torch_blocks(problems, torch, asked_for):
    blocking, _ = problems(torch=torch, torchvision='0.25.0', torch_asked_for=asked_for)
    assert blocking == [f'torchvision: found 0.25.0, wanted the one that goes with torch {torch} (this one asks for '
                        f'{"".join(asked_for)}). Command: {versions.TORCH_COMMAND}']


@pytest.mark.parametrize('torch, asked_for', [('2.11.0+cu130', ('==', '2.11.0')), ('2.14.0', ('>=', '2.14.0')),
                                              ('2.14.1', ('>=', '2.14.0')), ('2.14.1', ('', ''))])
def test_torchvision_beside_a_torch_that_it_asks_for_gives_no_message(problems, torch, asked_for):
    assert problems(torch=torch, torchvision=TORCH['torchvision'], torch_asked_for=asked_for) == ([], [])


@pytest.mark.parametrize('lines, found', [
    (['numpy', 'torch (==2.11.0)'], ('==', '2.11.0')), (['torch>=2.14.0', 'pillow'], ('>=', '2.14.0')),
    (['torch', 'torch-extra==1'], ('', '')), (None, ('', ''))])
def test_what_torchvision_asks_for_is_in_its_metadata(monkeypatch, lines, found):
    monkeypatch.setattr('importlib.metadata.requires', {'torchvision': lines}.get)
    assert versions.torch_asked_for() == found


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
    assert problems(ONEDL, onedl_mmdetection=None, onedl_mmsegmentation=None) == ([], [])


def test_both_mmcv_are_reported(problems):
    blocking, doubtful = problems(mmcv='2.1.0')
    assert blocking == []
    assert doubtful == [
        'mmcv: found mmcv 2.1.0 and mmcv-lite 2.1.0, wanted one distribution for each (each overwrites the files of '
        "the other). Command: pip uninstall -y mmcv mmcv-lite && pip install 'mmcv-lite==2.1.0'"]


def test_a_family_over_the_other_is_taken_apart_and_the_default_comes_back(problems):
    blocking, doubtful = problems({**UPSTREAM, **ONEDL})
    assert blocking == []
    line, = doubtful
    assert line.startswith('mmengine, mmcv, mmpretrain, mmdet, mmseg: found onedl-mmengine 0.10.12 and mmengine 0.10.7')
    command = line.partition(' Command: ')[2]
    assert set(command.partition(' && ')[0].split()[3:]) == {*UPSTREAM, *ONEDL}
    assert command.partition(' && ')[2] == EVERY_ONEDL


@pytest.mark.parametrize('start, shared, pin', [(UPSTREAM, 'onedl-mmengine', 'mmengine==0.10.7'),
                                                (ONEDL, 'mmengine', 'onedl-mmengine==0.10.12')])
def test_one_package_over_its_twin_leaves_the_family_of_the_others(problems, start, shared, pin):
    blocking, doubtful = problems({**start, shared: {**UPSTREAM, **ONEDL}[shared]})
    assert blocking == []
    assert doubtful[0].endswith(f"Command: pip uninstall -y onedl-mmengine mmengine && pip install '{pin}'")


def test_a_mixture_of_families_is_reported_with_what_makes_one_of_it(problems):
    blocking, doubtful = problems({**ONEDL, 'onedl-mmdetection': None, 'mmdet': '3.3.0'})
    assert blocking == []
    assert doubtful == [
        'mmdet: found mmdet 3.3.0, wanted packages of the same family as the others, the maintained fork. Command: pip '
        "uninstall -y mmdet && pip install 'onedl-mmdetection==3.5.1'"]


def test_mmcv_that_mmdet_refuses_is_reported_and_leaves_before_another_fills_its_folder(problems):
    blocking, doubtful = problems(mmcv='2.2.0', mmcv_lite=None)
    assert blocking == []
    assert doubtful[0].startswith('mmcv: found 2.2.0, wanted >=2.1.0,<2.2.0')
    assert doubtful[0].endswith("Command: pip uninstall -y mmcv && pip install 'mmcv-lite==2.1.0'")
    blocking, _ = problems(mmcv_full='1.7.2', mmcv_lite=None)
    assert blocking[0].endswith("Command: pip uninstall -y mmcv-full && pip install 'mmcv-lite==2.1.0'")


def test_missing_pkg_resources_and_ftfy_are_reported(problems):
    _, doubtful = problems(absent_modules=('pkg_resources', 'ftfy'), setuptools='82.0.0')
    assert doubtful[0].startswith('setuptools: found 82.0.0, wanted <81')
    assert doubtful[1].startswith('ftfy: found nothing')


def test_the_fork_needs_no_pkg_resources(problems):
    assert problems(ONEDL, absent_modules=('pkg_resources',), setuptools='82.0.0') == ([], [])


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
