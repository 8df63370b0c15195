"""The wheel and the source distribution hold what the checkout has, and configs are found without the checkout."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import mmsimmim

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
BUILD = 'import sys; from setuptools import build_meta; print(build_meta.{}(sys.argv[1]))'


@pytest.fixture(scope='module')
def dist(tmp_path_factory):
    """A folder with a source distribution, made from a copy of the checkout, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp('dist')
    copy = folder / 'copy'
    copy.mkdir()
    for entry in ROOT.iterdir():
        if entry.is_file():
            shutil.copy(entry, copy)
        elif entry.name in ('configs', 'mmsimmim', 'requirements', 'tests', 'tools'):
            shutil.copytree(entry, copy / entry.name, ignore=shutil.ignore_patterns('__pycache__', '.mim', '*.npz'))
    build('build_sdist', copy, folder)
    with tarfile.open(next(folder.glob('*.tar.gz'))) as archive:
        archive.extractall(folder / 'unpacked', filter='data')
    source = next((folder / 'unpacked').iterdir())
    old = source / 'build' / 'lib' / 'mmsimmim' / 'moved.py'  # what an earlier build in this folder has left
    old.parent.mkdir(parents=True)
    old.touch()
    build('build_wheel', source, folder)
    return folder


def build(what, source, target):
    subprocess.run([sys.executable, '-c', BUILD.format(what), target], cwd=source, check=True, capture_output=True)


def files(folder, *patterns):
    paths = {path for pattern in patterns for path in (ROOT / folder).rglob(pattern) if path.is_file()}
    return {path.relative_to(ROOT) for path in paths if not {'__pycache__', '.mim'} & set(path.parts)}


def test_all_files_are_in_the_wheel_and_nothing_else(dist):
    package = files('mmsimmim', '*')
    beside = files('configs', '*') | files('tools', '*') | {Path('model-index.yml')}
    with zipfile.ZipFile(next(dist.glob('*.whl'))) as wheel:
        found = {name: wheel.read(name) for name in wheel.namelist() if '.dist-info/' not in name}
    wanted = {path.as_posix(): path for path in package} | {f'mmsimmim/.mim/{path.as_posix()}': path for path in beside}
    assert len(package) > 150 and len(beside) > 200
    assert found.keys() == wanted.keys()
    assert [name for name, path in wanted.items() if found[name] != (ROOT / path).read_bytes()] == []


def test_source_distribution_has_no_tests(dist):
    with tarfile.open(next(dist.glob('*.tar.gz'))) as archive:
        names = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    assert {Path('README.md'), Path('LICENSE'), Path('model-index.yml'), Path('requirements/runtime.txt')} <= names
    assert not [name for name in names if name.parts[:1] == ('tests', )]


def test_metadata(dist):
    with zipfile.ZipFile(next(dist.glob('*.whl'))) as wheel:
        names = wheel.namelist()
        text = wheel.read(next(name for name in names if name.endswith('.dist-info/METADATA'))).decode()
    metadata = email.message_from_string(text)
    assert (metadata['Name'], metadata['Version']) == ('mmsimmim', mmsimmim.__version__)
    assert metadata['Summary'] and metadata['License'] == 'Apache-2.0'
    assert any(name.endswith('licenses/LICENSE') for name in names)
    assert metadata.get_payload().strip() == (ROOT / 'README.md').read_text().strip()
    extras = {line.split(';')[0].strip() for line in metadata.get_all('Requires-Dist') if 'extra ==' not in line}
    assert not [line for line in extras if line.startswith(('mm', 'onedl', 'openm'))]


USER = """
import sys
from pathlib import Path
import mmsimmim
from mmengine.config import Config
from mmengine.hub import get_config

package = Path(mmsimmim.__file__).parent
assert package == Path(sys.argv[1]) / 'mmsimmim', package
configs = package / '.mim' / 'configs'
names = [path.relative_to(configs).as_posix() for path in configs.rglob('*.py')]
for name in names:
    path, _ = Config._get_cfg_path(f'mmsimmim::{name}', '')
    assert Path(path) == configs / name, (path, name)
Path('user.py').write_text(f'_base_ = "mmsimmim::pretrain/{sys.argv[2]}"')
assert Config.fromfile('user.py').model == get_config(f'mmsimmim::pretrain/{sys.argv[2]}').model
print(len(names))
"""


def test_configs_are_found_without_the_checkout(dist, tmp_path):
    with zipfile.ZipFile(next(dist.glob('*.whl'))) as wheel:
        wheel.extractall(tmp_path / 'site')
    (tmp_path / 'user').mkdir()
    name = 'simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py'
    process = subprocess.run(
        [sys.executable, '-c', USER, tmp_path / 'site', name], cwd=tmp_path / 'user', capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(tmp_path / 'site')})
    assert process.returncode == 0, process.stderr
    assert process.stdout.split()[-1] == str(len(files('configs', '*.py')))
