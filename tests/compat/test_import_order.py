"""The repairs hold whichever package is imported first. Every case needs an interpreter of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmsimmim.compat.versions import installed_version

ROOT = Path(__file__).parents[2]
needs_downstream = pytest.mark.skipif(
    installed_version('mmdet') is None or installed_version('mmsegmentation') is None,
    reason='mmdet or mmsegmentation is not installed',
)


def run(code, *paths):
    """Standard output, in words, of a fresh interpreter that runs ``code``."""
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, [*paths, ROOT]))}
    done = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_compat_imports_none_of_the_frameworks():
    code = """
import sys
import mmsimmim.compat
print(*[name for name in ('mmpretrain', 'mmdet', 'mmseg') if name in sys.modules])
"""
    # `import mmsimmim.compat` runs mmsimmim/__init__.py first, which imports its own models, but no framework's.
    assert run(code) == []


@needs_downstream
@pytest.mark.slow
@pytest.mark.parametrize('first', ['mmdet', 'mmseg', 'mmpretrain', 'mmdet.utils', 'mmcv'])
def test_framework_before_mmsimmim(first):
    code = f"""
import {first}
import mmsimmim
import mmdet.models, mmseg.models, mmpretrain.models
from mmcv.ops import nms
print('fine')
"""
    assert run(code) == ['fine']


def fake_transformers(folder, version):
    """A distribution of that version whose package lacks what mmpretrain's language models subclass."""
    metadata = folder / f'transformers-{version}.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: transformers\nVersion: {version}\n')
    (folder / 'transformers').mkdir()
    (folder / 'transformers' / '__init__.py').write_text('')
    return folder


MULTIMODAL = """
import {first}
import mmsimmim.compat
import mmpretrain.models
from mmpretrain.registry import MODELS
from mmpretrain.utils import dependency
print(dependency.WITH_MULTIMODAL, MODELS.get('SwinTransformer') is not None)
try:
    MODELS.build(dict(type='BlipCaption'))
except ImportError as error:
    print('multi-modal' in str(error))
"""


@needs_downstream  # mmdet brings pycocotools, without which mmpretrain does not look at transformers
@pytest.mark.slow
@pytest.mark.parametrize('first', ['sys', 'mmpretrain', 'mmpretrain.utils.dependency'])
def test_mmpretrain_imports_beside_new_transformers(tmp_path, first):
    assert run(MULTIMODAL.format(first=first), fake_transformers(tmp_path, '5.17.0')) == ['False', 'True', 'True']


@needs_downstream
@pytest.mark.slow
def test_mmpretrain_would_fail_without_the_repair(tmp_path):
    code = """
import mmsimmim.compat.mmpretrain_multimodal as repair
import importlib, sys
sys.meta_path = [finder for finder in sys.meta_path if type(finder).__name__ != '_Finder']
try:
    import mmpretrain.models
except ImportError:
    print('fails')
"""
    assert run(code, fake_transformers(tmp_path, '5.17.0')) == ['fails']


@needs_downstream
@pytest.mark.slow
def test_supported_transformers_are_left_alone(tmp_path):
    code = """
import mmsimmim.compat
from mmpretrain.utils import dependency
print(dependency.WITH_MULTIMODAL)
"""
    assert run(code, fake_transformers(tmp_path, '4.49.0')) == ['True']
