"""Which OpenMMLab is installed: the last upstream releases, or the maintained fork under the same import names.

A version belongs to an import package (``mmcv``), whatever distribution brought it (``mmcv``, ``mmcv-lite``,
``onedl-mmcv``). Only metadata is read, so nothing heavy is imported.
"""

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Requirement:
    """The versions of one distribution that this package works with.

    Args:
        name (str): Name of the distribution.
        oldest (str): First supported version.
        newer_than_tested (str): First version that nobody tried with this package.
        tested (str): The version that the tests ran with.
    """

    name: str
    oldest: str
    newer_than_tested: str
    tested: str

    @property
    def wanted(self) -> str:
        return f'>={self.oldest},<{self.newer_than_tested}'

    @property
    def pin(self) -> str:
        return f"'{self.name}=={self.tested}'"

    @property
    def command(self) -> str:
        return f'pip install {self.pin}'


@dataclass(frozen=True, eq=False)
class Stack:
    """One family of OpenMMLab's packages.

    Args:
        name (str): Its name, which is also that of the extra that installs it.
        title (str): What it is, in words.
        packages (dict[str, Requirement]): The distribution to install for each import package.
        siblings (dict[str, tuple[str, ...]]): Other distributions of this family that fill the same folders.
        helpers (tuple[str, ...]): What its packages use and do not ask for.
    """

    name: str
    title: str
    packages: dict[str, Requirement]
    siblings: dict[str, tuple[str, ...]]
    helpers: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        pins = [requirement.pin for requirement in self.packages.values()]
        return ' '.join(['pip install', *pins, *(f"'{helper}'" for helper in self.helpers)])

    def distributions(self, module: str) -> tuple[str, ...]:
        """Names of the distributions of this family that fill the folder ``module``."""
        return (*self.siblings.get(module, ()), self.packages[module].name)


@dataclass(frozen=True)
class Installed:
    """One distribution that fills the folder of an import package; ``stack`` is None where its name tells nothing."""

    module: str
    name: str
    version: str
    stack: Stack | None

    def __str__(self) -> str:
        return f'{self.name} {self.version}'


ONEDL = Stack(
    'onedl',
    'the maintained fork',
    dict(
        mmengine=Requirement('onedl-mmengine', '0.10.12', '0.11', '0.10.12'),
        mmcv=Requirement('onedl-mmcv', '2.3.6', '2.4', '2.3.6'),
        mmpretrain=Requirement('onedl-mmpretrain', '1.3.6', '1.4', '1.3.6'),
        mmdet=Requirement('onedl-mmdetection', '3.5.1', '3.6', '3.5.1'),
        mmseg=Requirement('onedl-mmsegmentation', '1.4.2', '1.5', '1.4.2'),
    ),
    siblings={},
)
UPSTREAM = Stack(
    'upstream',
    'the last releases of OpenMMLab itself',
    dict(
        mmengine=Requirement('mmengine', '0.10.7', '0.11', '0.10.7'),
        # mmdet and mmsegmentation refuse mmcv 2.2.
        mmcv=Requirement('mmcv-lite', '2.1.0', '2.2.0', '2.1.0'),
        mmpretrain=Requirement('mmpretrain', '1.2.0', '1.3', '1.2.0'),
        mmdet=Requirement('mmdet', '3.3.0', '3.4', '3.3.0'),
        mmseg=Requirement('mmsegmentation', '1.2.2', '1.3', '1.2.2'),
    ),
    siblings=dict(mmcv=('mmcv', 'mmcv-full')),
    helpers=('setuptools<81', 'ftfy', 'regex'),
)
# The default for whoever has neither comes first.
STACKS = (ONEDL, UPSTREAM)
MODULES = tuple(ONEDL.packages)


def installed_version(name: str) -> str | None:
    """Version of an installed distribution as its metadata gives it, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def find_installed(module: str) -> list[Installed]:
    """Every distribution that fills the folder of one of OpenMMLab's import packages.

    Args:
        module (str): The import package, such as ``'mmcv'``.

    Returns:
        list[Installed]: More than one means that they overwrote each other's files.
    """
    found = []
    for stack in STACKS:
        for name in stack.distributions(module):
            version = installed_version(name)
            if version is not None:
                found.append(Installed(module, name, version, stack))
    return found or _look_wider(module)


def _look_wider(module: str) -> list[Installed]:
    """A distribution of another name, or a folder of sources on the path without metadata."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a folder of that name is no package
        return []
    # Reads the metadata of all that is installed, which takes longer than all the rest.
    names = importlib.metadata.packages_distributions().get(module, ())
    if names:
        return [Installed(module, name, installed_version(name), None) for name in sorted(set(names))]
    return [Installed(module, module, _version_in_sources(spec) or 'of unknown version', None)]


def _version_in_sources(spec) -> str | None:
    """What ``version.py`` says; the fork's reads it from the metadata, and then there is nothing to be found."""
    file = Path(spec.origin).with_name('version.py')
    match = file.is_file() and re.search(r"^__version__ = '(.+)'", file.read_text(encoding='utf-8'), re.MULTILINE)
    return match[1] if match else None


def stack_in_use(found: dict[str, list[Installed]]) -> Stack:
    """The family that is installed: that of MMEngine if it is clear, else that of most packages, else the default.

    Args:
        found (dict[str, list[Installed]]): What fills each folder, as :func:`find_installed` gives it.
    """
    clear = {module: one[0].stack for module, one in found.items() if len({item.stack for item in one}) == 1}
    if clear.get('mmengine') is not None:
        return clear['mmengine']
    votes = [stack for stack in clear.values() if stack is not None]
    return max(STACKS, key=votes.count)
