"""What users write in configs and on command lines keeps its name: ``tests/data/public_names.json`` lists it.

A name that comes is added there; one may go only with a release that says so.
"""

import argparse
import inspect
import json
import runpy
import sys
from pathlib import Path

import pytest

import mmsimmim
from mmsimmim import registry

ROOT = Path(__file__).resolve().parents[1]
NAMES = json.loads((ROOT / 'tests' / 'data' / 'public_names.json').read_text())


@pytest.mark.parametrize('name', NAMES['registered'])
def test_registered_classes_and_their_arguments(name):
    kind, _, key = name.partition('.')
    found = getattr(registry, kind).get(key)
    assert found is not None, f'{name} is not registered any more'
    parameters = inspect.signature(found.__init__ if inspect.isclass(found) else found).parameters
    assert set(NAMES['registered'][name]) <= set(parameters)


@pytest.mark.parametrize('name', NAMES['calls'])
def test_functions_of_the_package_and_their_arguments(name):
    assert name in dir(mmsimmim)
    assert set(NAMES['calls'][name]) <= set(inspect.signature(getattr(mmsimmim, name)).parameters)


class Stop(Exception):
    """Raised in place of reading arguments."""


@pytest.mark.parametrize('tool', NAMES['options'])
def test_options_of_the_tools(tool, monkeypatch):
    parsers = []

    def stop(parser, *args, **kwargs):
        parsers.append(parser)
        raise Stop

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop)
    monkeypatch.setattr(sys, 'argv', [tool])
    monkeypatch.setattr(sys, 'path', list(sys.path))
    with pytest.raises(Stop):
        runpy.run_path(str(ROOT / tool), run_name='__main__')
    options = {name for action in parsers[0]._actions for name in action.option_strings or [action.dest]}
    assert set(NAMES['options'][tool]) <= options


def test_configs():
    assert not [path for path in NAMES['configs'] if not (ROOT / path).is_file()]
