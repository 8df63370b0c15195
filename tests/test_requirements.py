"""What pip installs: no family of OpenMMLab unless it is asked for, and the versions that are checked at import."""

import re
from pathlib import Path

import pytest

from mmsimmim.compat import stacks, versions

REPO = Path(__file__).resolve().parents[1]
FILLS_A_FOLDER = {name for stack in stacks.STACKS for module in stacks.MODULES for name in stack.distributions(module)}


def requirements(name):
    lines = (REPO / 'requirements' / f'{name}.txt').read_text().splitlines()
    pairs = [re.match(r'([\w.-]+)([^;]*)', line).groups() for line in lines if line and not line.startswith('#')]
    return {name: limits.strip() for name, limits in pairs}


@pytest.mark.parametrize('name', ['runtime', 'analysis', 'packed', 'tests', 'docs'])
def test_nothing_but_the_extras_of_the_families_fills_the_folders_of_openmmlab(name):
    assert not set(requirements(name)) & FILLS_A_FOLDER


@pytest.mark.parametrize('stack', stacks.STACKS, ids=[stack.name for stack in stacks.STACKS])
def test_an_extra_brings_what_is_checked_at_import_and_the_constraints_pin_what_was_tested(stack):
    extra, pins = requirements(stack.name), requirements('constraints')
    for requirement in stack.packages.values():
        assert extra.pop(requirement.name) == requirement.wanted
        assert pins[requirement.name] == f'=={requirement.tested}'
    assert {name + limits for name, limits in extra.items()} == set(stack.helpers)


def test_torch_is_that_of_the_commands():
    pins = requirements('constraints')
    for requirement in versions.TORCH:
        assert requirements('runtime')[requirement.name] == f'>={requirement.oldest}'
        assert f"'{requirement.name}{pins[requirement.name]}'" in versions.TORCH_COMMAND
