"""Callbacks after imports."""

import importlib.abc
import importlib.util
import sys

import pytest

from mmsimmim.compat.import_hook import after_import, import_without


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


def test_modules_of_other_finders_are_found_too(package, monkeypatch):
    """An editable install may have a finder of its own, which knows what no folder on the path holds."""
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == f'{package}_elsewhere':
                return importlib.util.spec_from_loader(name, SourceOnly())

    class SourceOnly(importlib.abc.InspectLoader):
        def get_source(self, name):
            return 'value = 2'

    monkeypatch.setattr(sys, 'meta_path', [*sys.meta_path, Finder])
    calls = []
    after_import(f'{package}_elsewhere', calls.append)
    module = importlib.import_module(f'{package}_elsewhere')
    monkeypatch.delitem(sys.modules, module.__name__)
    assert calls == [module] and module.value == 2
    assert isinstance(module.__loader__, SourceOnly) and isinstance(module.__spec__.loader, SourceOnly)


def test_another_module_looks_absent_while_one_is_imported(package, tmp_path):
    (tmp_path / package / 'inner.py').write_text(
        'try:\n    import wave\nexcept ImportError:\n    wave = None\nimport string\n')
    loaded = {name: sys.modules.pop(name, None) for name in ('wave', 'string')}
    sys.modules['string'] = string = loaded['string'] or importlib.import_module('string')
    import_without(f'{package}.inner', 'wave')
    import_without(f'{package}.inner', 'string')
    module = __import__(package)
    assert module.inner.wave is None and 'wave' not in sys.modules
    assert module.inner.string is string, 'what is imported already stays'
    assert importlib.import_module('wave').__name__ == 'wave'
