"""Installs mmsimmim, and the configs and tools beside it where ``mim`` and MMEngine look for them."""

import ast
import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = 'mmsimmim'
# mim looks for these in <package>/.mim.
MIM_ENTRIES = ('configs', 'tools', 'model-index.yml')


def read_version() -> str:
    """The package's version, read from its source because importing it needs its dependencies."""
    tree = ast.parse((ROOT / PACKAGE / '__init__.py').read_text(encoding='utf-8'))
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '__version__':
            return ast.literal_eval(node.value)
    raise RuntimeError(f'{PACKAGE}/__init__.py defines no __version__')


def read_requirements(name: str) -> list[str]:
    """The requirements of one file in ``requirements/``, without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def read_readme() -> str:
    readme = ROOT / 'README.md'
    return readme.read_text(encoding='utf-8') if readme.exists() else ''


class BuildWithMim(build_py):
    """Copies configs and tools into the built package; an editable install gets links to the ones in the tree."""

    def run(self):
        editable = getattr(self, 'editable_mode', False)
        if not editable:
            _remove(Path(self.build_lib) / PACKAGE)  # files that were moved since an earlier build would go along
        super().run()
        base = ROOT if editable else Path(self.build_lib)
        target = base / PACKAGE / '.mim'
        _remove(target)
        target.mkdir(parents=True)
        for entry in self._mim_entries():
            if not (editable and _link(ROOT / entry, target / entry)):
                _copy(ROOT / entry, target / entry)

    def get_outputs(self, include_bytecode=1):
        outputs = super().get_outputs(include_bytecode)
        if getattr(self, 'editable_mode', False):
            return outputs
        target = Path(self.build_lib) / PACKAGE / '.mim'
        return outputs + [str(path) for path in target.rglob('*') if path.is_file()]

    def _mim_entries(self):
        return [entry for entry in MIM_ENTRIES if (ROOT / entry).exists()]


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def _link(source: Path, target: Path) -> bool:
    """Link to ``source`` by a relative path; False where the file system or the user's rights do not allow it."""
    try:
        target.symlink_to(os.path.relpath(source, target.parent), target_is_directory=source.is_dir())
    except OSError:
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
    else:
        shutil.copyfile(source, target)


extras = {name: read_requirements(name) for name in ('analysis', 'packed', 'tests', 'docs')}
# Without OpenMMLab: one family must not be installed over the other.
extras['all'] = [line for lines in extras.values() for line in lines]
extras.update({stack: read_requirements(stack) for stack in ('onedl', 'upstream')})
# Names of 0.1 that brought upstream's packages: they bring nothing, so that old commands do no harm; the first import
# then says what is missing.
extras.update(lite=[], downstream=[])

setup(
    name=PACKAGE,
    version=read_version(),
    description='SimMIM, masked image modelling, for the OpenMMLab family',
    long_description=read_readme(),
    long_description_content_type='text/markdown',
    author='The mmsimmim authors',
    keywords='computer vision, self-supervised learning, masked image modelling, SimMIM, OpenMMLab',
    license='Apache-2.0',
    classifiers=[
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    python_requires='>=3.10',
    install_requires=read_requirements('runtime'),
    extras_require=extras,
    entry_points=dict(console_scripts=['mmsimmim=mmsimmim.__main__:main']),
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
