"""Callbacks after imports."""

import sys

import pytest

from mmsimmim.compat.import_hook import after_import


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Name of an importable package with a module ``inner`` that nobody has imported."""
    name = f'hooked_{tmp_path.name}'.replace('-', '_')
    (tmp_path / name).mkdir()
    (tmp_path / name / '__init__.py').write_text('from . import inner\n')
    (tmp_path / name / 'inner.py').write_text('value = 1\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for loaded in [loaded for loaded in sys.modules if loaded.split('.')[0] == name]:
        del sys.modules[loaded]


def test_callback_runs_when_the_module_is_imported_and_not_before(package):
    calls = []

    def change(module):
        calls.append(module.__name__)
        module.value += 1

    after_import(f'{package}.inner', change)
    after_import(f'{package}.inner', change)
    assert calls == [] and package not in sys.modules
    module = __import__(package)
    assert calls == [f'{package}.inner']
    assert module.inner.value == 2
    assert module.inner.__spec__.loader.get_source(f'{package}.inner') == 'value = 1\n'


def test_callback_runs_at_once_for_an_imported_module(package):
    module = __import__(package)
    calls = []
    after_import(f'{package}.inner', calls.append)
    assert calls == [module.inner]


def test_missing_module_still_raises_its_own_error():
    after_import('no_such_package_anywhere', print)
    with pytest.raises(ModuleNotFoundError, match='no_such_package_anywhere'):
        __import__('no_such_package_anywhere')
