"""Checks the installed dependencies and says, all at once, what is missing or unsupported.

Policy:

- Missing or too old, and nothing of this package can work: one :class:`ImportError` that lists every such package with
  what was found, what is wanted and the command that brings it.
- Newer than anything tested, optional packages (mmdet, mmsegmentation) of an unsupported version, packages that
  overwrote each other, and combinations known to fail later: a warning with the same content, because the part that the
  user needs may work.

Limits and commands are those of the OpenMMLab that is installed; with neither installed, both commands are given.
"""

import importlib
import importlib.metadata
import importlib.util
import re
import sys
import warnings

from mmsimmim.compat.stacks import (
    MODULES,
    STACKS,
    UPSTREAM,
    Installed,
    Requirement,
    Stack,
    find_installed,
    installed_version,
    stack_in_use,
)

TORCH_COMMAND = "pip install 'torch==2.11.0' 'torchvision==0.26.0'"
TORCH = (Requirement('torch', '2.4', '2.16', '2.11.0'), Requirement('torchvision', '0.19', '0.30', '0.26.0'))
INDISPENSABLE = ('mmengine', 'mmcv', 'mmpretrain')


def check_versions() -> None:
    """Check what is installed.

    Raises:
        ImportError: If something indispensable is missing or too old; the message names everything that is.
    """
    blocking, doubtful = find_problems()
    if blocking:
        raise ImportError(_report('mmsimmim cannot run with what is installed here:', blocking))
    if doubtful:
        warnings.warn(_report('mmsimmim is not sure to run with what is installed here:', doubtful), stacklevel=2)


def find_problems() -> tuple[list[str], list[str]]:
    """Compare what is installed with the requirements.

    Returns:
        tuple[list[str], list[str]]: One line per problem: first those that make this package unusable, then the others.
    """
    blocking, doubtful = [], []
    for requirement in TORCH:
        _compare(requirement.name, installed_version(requirement.name), requirement, TORCH_COMMAND, blocking, doubtful)
    _check_torch_pair(blocking)
    found = {module: find_installed(module) for module in MODULES}
    if any(found.values()):
        stack = stack_in_use(found)
        _check_packages(found, stack, blocking, doubtful)
        _check_shared_folders(found, stack, doubtful)
        _check_mixture(found, stack, doubtful)
        _check_helpers(found, stack, doubtful)
    else:
        commands = ', or '.join(f'{stack.command} ({stack.title})' for stack in STACKS)
        blocking.append(f'OpenMMLab: found nothing, wanted one of its two families. Command: {commands}')
    return blocking, doubtful


def release(version: str) -> tuple[int, ...]:
    """Numbers of a version without pre-release and local parts: ``'2.11.0+cu130'`` gives ``(2, 11, 0)``."""
    match = re.match(r'\d+(\.\d+)*', version)
    return tuple(int(part) for part in match.group().split('.')) if match else ()


def _compare(name: str, found: str | None, requirement: Requirement, command: str, too_old: list[str],
             too_new: list[str]) -> None:
    if found is None or release(found) and _older(found, requirement.oldest):
        too_old.append(_line(name, found or 'nothing', requirement.wanted, command))
    elif not release(found) or not _older(found, requirement.newer_than_tested):
        too_new.append(_line(name, found, f'{requirement.wanted} (tested)', command))


def _older(version: str, limit: str) -> bool:
    left, right = release(version), release(limit)
    length = max(len(left), len(right))
    return left + (0,) * (length - len(left)) < right + (0,) * (length - len(right))


def _check_torch_pair(blocking: list[str]) -> None:
    """The kernels of torchvision load beside the PyTorch that it asks for, which is one release, or any from 2.14."""
    torch, torchvision = installed_version('torch'), installed_version('torchvision')
    if torch is None or torchvision is None:
        return
    relation, version = torch_asked_for()
    too_old = bool(relation) and _older(torch, version)
    too_new = relation == '==' and _older(version, torch)
    if too_old or too_new:
        wanted = f'the one that goes with torch {torch} (this one asks for {relation}{version})'
        blocking.append(_line('torchvision', torchvision, wanted, TORCH_COMMAND))
    elif torch.partition('+')[2] != torchvision.partition('+')[2] and not _torchvision_loads():
        wanted = f'the build that goes with torch {torch} (its compiled operators do not load)'
        blocking.append(_line('torchvision', torchvision, wanted, TORCH_COMMAND))


def torch_asked_for() -> tuple[str, str]:
    """What torchvision's metadata asks for: ``('==', '2.11.0')``, ``('>=', '2.14.0')``, or ``('', '')`` for any."""
    for line in importlib.metadata.requires('torchvision') or ():
        match = re.match(r'torch\s*\(?(==|>=)\s*([\d.]+)', line)
        if match:
            return match[1], match[2]
    return '', ''


def _torchvision_loads() -> bool:
    try:
        importlib.import_module('torchvision')
    except (ImportError, OSError, RuntimeError):
        # A failed import leaves half a package behind, which would hide the reason from whoever imports it next.
        for name in [name for name in sys.modules if name.split('.')[0] == 'torchvision']:
            del sys.modules[name]
        return False
    return True


def _check_packages(found: dict[str, list[Installed]], stack: Stack, blocking: list[str], doubtful: list[str]) -> None:
    """The version of each package against the limits of the family that it is of."""
    for module, distributions in found.items():
        too_old = blocking if module in INDISPENSABLE else doubtful
        if distributions:
            one = distributions[0]
            requirement = (one.stack or stack).packages[module]
            command = requirement.command if one.name == requirement.name else _exchange([one], requirement)
            _compare(one.name, one.version, requirement, command, too_old, doubtful)
        elif module in INDISPENSABLE:
            requirement = stack.packages[module]
            _compare(requirement.name, None, requirement, requirement.command, too_old, doubtful)


def _exchange(leaving: list[Installed], *coming: Requirement) -> str:
    """The command that first takes out what would share a folder with what comes."""
    pins = ' '.join(requirement.pin for requirement in coming)
    return f'pip uninstall -y {" ".join(one.name for one in leaving)} && pip install {pins}'


def _check_shared_folders(found: dict[str, list[Installed]], stack: Stack, doubtful: list[str]) -> None:
    shared = {module: distributions for module, distributions in found.items() if len(distributions) > 1}
    if shared:
        doubtful.append(_line(
            ', '.join(shared), ', '.join(' and '.join(map(str, distributions)) for distributions in shared.values()),
            'one distribution for each (each overwrites the files of the other)',
            _exchange([one for distributions in shared.values() for one in distributions],
                      *(stack.packages[module] for module in shared))))


def _check_mixture(found: dict[str, list[Installed]], stack: Stack, doubtful: list[str]) -> None:
    single = [distributions[0] for distributions in found.values() if len(distributions) == 1]
    strangers = [one for one in single if one.stack not in (stack, None)]
    if strangers:
        doubtful.append(_line(
            ', '.join(one.module for one in strangers), ', '.join(map(str, strangers)),
            f'packages of the same family as the others, {stack.title}',
            _exchange(strangers, *(stack.packages[one.module] for one in strangers))))


def _check_helpers(found: dict[str, list[Installed]], stack: Stack, doubtful: list[str]) -> None:
    if stack is UPSTREAM and importlib.util.find_spec('pkg_resources') is None:
        wanted = "<81 (without mmsimmim MMEngine needs its pkg_resources for config bases such as 'mmdet::...')"
        doubtful.append(_line('setuptools', installed_version('setuptools') or 'nothing', wanted,
                              "pip install 'setuptools<81'"))
    if found['mmseg']:
        for name in ('ftfy', 'regex'):
            if importlib.util.find_spec(name) is None:
                wanted = 'any version (mmsegmentation imports it)'
                doubtful.append(_line(name, 'nothing', wanted, f'pip install {name}'))


def _line(name: str, found: str, wanted: str, command: str) -> str:
    return f'{name}: found {found}, wanted {wanted}. Command: {command}'


def _report(headline: str, problems: list[str]) -> str:
    return '\n  - '.join([headline, *problems])
