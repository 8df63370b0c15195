"""Checks the installed dependencies and says, all at once, what is missing or unsupported.

Policy:

- Missing or too old, and nothing of this package can work: one :class:`ImportError` that lists every such package with
  what was found, what is wanted and the command that brings it.
- Newer than anything tested, optional packages (mmdet, mmsegmentation) of an unsupported version, and combinations
  known to fail later: a warning with the same content, because the part that the user needs may work.

Versions are read from the packages' metadata, so nothing heavy is imported.
"""

import importlib
import importlib.metadata
import importlib.util
import re
import sys
import warnings
from dataclasses import dataclass

TORCH_COMMAND = "pip install 'torch==2.11.0' 'torchvision==0.26.0'"
MMCV_COMMAND = "pip install 'mmcv-lite==2.1.0'"
# torchvision 0.N is compiled against torch 2.(N - 15).
TORCHVISION_MINUS_TORCH = 15


@dataclass(frozen=True)
class Requirement:
    """The versions of one distribution that this package works with.

    Args:
        name (str): Name of the distribution.
        oldest (str): First supported version.
        newer_than_tested (str): First version that nobody tried with this package.
        command (str): What brings a version known to work.
    """

    name: str
    oldest: str
    newer_than_tested: str
    command: str

    @property
    def wanted(self) -> str:
        return f'>={self.oldest},<{self.newer_than_tested}'


REQUIRED = (
    Requirement('torch', '2.4', '2.14', TORCH_COMMAND),
    Requirement('torchvision', '0.19', '0.29', TORCH_COMMAND),
    Requirement('mmengine', '0.10.7', '0.11', "pip install 'mmengine==0.10.7'"),
    Requirement('mmpretrain', '1.2.0', '1.3', "pip install 'mmpretrain==1.2.0'"),
)
MMCV = Requirement('mmcv', '2.1.0', '2.2.0', MMCV_COMMAND)
OPTIONAL = (
    Requirement('mmdet', '3.3.0', '3.4', "pip install 'mmdet==3.3.0'"),
    Requirement('mmsegmentation', '1.2.2', '1.3', "pip install 'mmsegmentation==1.2.2'"),
)


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
    """Compare the installed distributions with the requirements.

    Returns:
        tuple[list[str], list[str]]: One line per problem: first those that make this package unusable, then the others.
    """
    blocking, doubtful = [], []
    for requirement in REQUIRED:
        _compare(requirement, installed_version(requirement.name), blocking, doubtful)
    _check_torch_pair(blocking)
    _check_mmcv(blocking, doubtful)
    for requirement in OPTIONAL:
        found = installed_version(requirement.name)
        if found is not None:
            _compare(requirement, found, doubtful, doubtful)
    _check_helpers(doubtful)
    return blocking, doubtful


def installed_version(name: str) -> str | None:
    """Version of an installed distribution as its metadata gives it, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def release(version: str) -> tuple[int, ...]:
    """Numbers of a version without pre-release and local parts: ``'2.11.0+cu130'`` gives ``(2, 11, 0)``."""
    match = re.match(r'\d+(\.\d+)*', version)
    return tuple(int(part) for part in match.group().split('.')) if match else ()


def _compare(requirement: Requirement, found: str | None, too_old: list[str], too_new: list[str]) -> None:
    if found is None:
        too_old.append(_line(requirement.name, 'nothing', requirement.wanted, requirement.command))
    elif _older(found, requirement.oldest):
        too_old.append(_line(requirement.name, found, requirement.wanted, requirement.command))
    elif not _older(found, requirement.newer_than_tested):
        too_new.append(_line(requirement.name, found, f'{requirement.wanted} (tested)', requirement.command))


def _older(version: str, limit: str) -> bool:
    left, right = release(version), release(limit)
    length = max(len(left), len(right))
    return left + (0,) * (length - len(left)) < right + (0,) * (length - len(right))


def _check_torch_pair(blocking: list[str]) -> None:
    """PyTorch and torchvision must come from one release and one build, else torchvision's kernels do not load."""
    torch, torchvision = installed_version('torch'), installed_version('torchvision')
    if torch is None or torchvision is None:
        return
    matching = release(torchvision)[:1] == (0,) and release(torch)[:1] == (2,)
    if matching and release(torchvision)[1] - release(torch)[1] != TORCHVISION_MINUS_TORCH:
        wanted = f'0.{release(torch)[1] + TORCHVISION_MINUS_TORCH} beside torch {torch}'
        blocking.append(_line('torchvision', torchvision, wanted, TORCH_COMMAND))
    elif torch.partition('+')[2] != torchvision.partition('+')[2] and not _torchvision_loads():
        wanted = f'the build that goes with torch {torch} (its compiled operators do not load)'
        blocking.append(_line('torchvision', torchvision, wanted, TORCH_COMMAND))


def _torchvision_loads() -> bool:
    try:
        importlib.import_module('torchvision')
    except (ImportError, OSError, RuntimeError):
        # A failed import leaves half a package behind, which would hide the reason from whoever imports it next.
        for name in [name for name in sys.modules if name.split('.')[0] == 'torchvision']:
            del sys.modules[name]
        return False
    return True


def _check_mmcv(blocking: list[str], doubtful: list[str]) -> None:
    full, lite = installed_version('mmcv'), installed_version('mmcv-lite')
    if full is not None and lite is not None:
        found = f'mmcv {full} and mmcv-lite {lite}'
        command = f'pip uninstall -y mmcv mmcv-lite, then install the one you want, for example {MMCV_COMMAND}'
        doubtful.append(_line('mmcv', found, 'one of the two (each overwrites the files of the other)', command))
    found = full or lite
    if found is None or _older(found, MMCV.oldest):
        blocking.append(_line('mmcv or mmcv-lite', found or 'nothing', MMCV.wanted, MMCV.command))
    elif not _older(found, MMCV.newer_than_tested):
        name = 'mmcv' if full else 'mmcv-lite'
        doubtful.append(_line(name, found, f'{MMCV.wanted} (mmdet and mmsegmentation refuse others)', MMCV.command))


def _check_helpers(doubtful: list[str]) -> None:
    if importlib.util.find_spec('pkg_resources') is None:
        wanted = "<81 (MMEngine needs its pkg_resources for config bases such as 'mmdet::...')"
        doubtful.append(_line('setuptools', installed_version('setuptools') or 'nothing', wanted,
                              "pip install 'setuptools<81'"))
    if installed_version('mmsegmentation') is not None:
        for name in ('ftfy', 'regex'):
            if importlib.util.find_spec(name) is None:
                wanted = 'any version (mmsegmentation imports it)'
                doubtful.append(_line(name, 'nothing', wanted, f'pip install {name}'))


def _line(name: str, found: str, wanted: str, command: str) -> str:
    return f'{name}: found {found}, wanted {wanted}. Command: {command}'


def _report(headline: str, problems: list[str]) -> str:
    return '\n  - '.join([headline, *problems])
