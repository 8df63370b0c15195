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


def test_importing_mmsimmim_and_asking_a_tool_for_help_imports_neither_torch_nor_a_framework():
    code = """
import io, runpy, sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

heavy = ('torch', 'mmengine.runner', 'mmcv', 'mmpretrain', 'mmdet', 'mmseg', 'matplotlib', 'cv2', 'scipy',
         'transformers', 'sympy')
import mmsimmim

def report(what):
    found = [name for name in heavy if name in sys.modules]
    assert not found, (what, found)

report('import mmsimmim')
tools = Path(mmsimmim.__file__).parents[1] / 'tools'
for tool in sorted(path for path in tools.rglob('*.py') if '__main__' in path.read_text()):
    for option, code in (('--help', 0), ('--no-such-option', 2)):
        sys.argv = [str(tool), option]
        with io.StringIO() as said, redirect_stdout(said), redirect_stderr(said):
            try:
                runpy.run_path(str(tool), run_name='__main__')
            except SystemExit as end:
                assert end.code == code, (tool, option, end.code)
            assert said.getvalue().startswith('usage: ' + tool.name), (tool, option)
        report((tool, option))
    print(tool.name)
"""
    tools = run(code)
    assert len(tools) > 25 and {'train.py', 'inspect_checkpoint.py', 'throughput.py', 'study.py'} < set(tools)


CHECKPOINTS = """
import sys
import {first}
import {second}
from mmengine.runner import checkpoint, load_state_dict
from mmengine.runner.checkpoint import CheckpointLoader

readers = [CheckpointLoader._get_checkpoint_loader(path) for path in ('x.pth', 'https://x/x.pth')]
print(*[reader.__module__ for reader in readers], checkpoint.load_from_http is readers[1])
print(load_state_dict is checkpoint.load_state_dict, load_state_dict.__wrapped__.__module__)
print(*[name for name in ('transformers', 'mmpretrain', 'mmdet', 'mmseg', 'mmsimmim.models') if name in sys.modules])
"""


@pytest.mark.slow
@pytest.mark.parametrize('first, second', [('mmsimmim', 'mmengine.runner'), ('mmengine.runner', 'mmsimmim')])
def test_checkpoints_are_read_by_this_package_whatever_is_imported_first(first, second):
    words = run(CHECKPOINTS.format(first=first, second=second))
    assert words[:5] == ['mmsimmim.checkpoints.loading', 'mmsimmim.checkpoints.loading', 'True', 'True',
                         'mmengine.runner.checkpoint']
    assert words[5:] == (['transformers'] if first != 'mmsimmim' and installed_version('transformers') else [])


@pytest.mark.slow
def test_importing_mmsimmim_is_enough_for_everything_to_be_found(tmp_path):
    code = f"""
import mmsimmim
import torch
from mmengine.logging import HistoryBuffer
torch.save(HistoryBuffer([1.0], [1]), {str(tmp_path / 'x.pth')!r})
print(torch.load({str(tmp_path / 'x.pth')!r}, weights_only=True).mean())

from mmengine import registry
names = dict(MODELS='SimMIM', DATASETS='ImageFolder', DATA_SAMPLERS='SeededSampler', TRANSFORMS='LoadImage',
             HOOKS='CompileHook', PARAM_SCHEDULERS='WarmupCosineLR', LOOPS='IterBasedTrainLoop', METRICS='AvgDist',
             OPTIM_WRAPPER_CONSTRUCTORS='LearningRateDecayOptimWrapperConstructor', STRATEGIES='FSDPStrategy',
             FUNCTIONS='collate_masked')
for kind, name in names.items():
    found = getattr(registry, kind).get('mmsimmim.' + name)
    print(found.__name__ == name and found.__module__.startswith('mmsimmim.'))
print(mmsimmim.models.SimMIM is registry.MODELS.get('mmsimmim.SimMIM'), mmsimmim.engine.FSDPStrategy.__name__)
"""
    assert run(code) == ['1.0', *['True'] * 12, 'FSDPStrategy']


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
