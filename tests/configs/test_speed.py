"""What makes every shipped config fast, whatever it trains."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import MODEL_WRAPPERS, DefaultScope, init_default_scope

import mmsimmim  # noqa: F401  (repairs before the frameworks)

ROOT = Path(__file__).parents[2] / 'configs'
# Those of the data-scaling study differ from others in the data alone: tests/configs/test_data_scaling.py.
CONFIGS = sorted(path for path in ROOT.glob('*/**/*.py')
                 if not {'_base_', 'data_scaling'} & {*path.parts} and '_test-' not in path.stem)


@pytest.fixture(autouse=True)
def no_scope_stays():
    yield
    DefaultScope._instance_dict.clear()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_optimizer_and_wrapper(path):
    """AdamW is one kernel, so that GradScaler need not wait for the device; gradients are sent from where they lie."""
    config = Config.fromfile(path)
    optimizer = config.optim_wrapper.optimizer
    assert optimizer.get('fused') is (True if optimizer.type == 'AdamW' else None)
    if path.parent.name != 'demo':
        assert config.model_wrapper_cfg == dict(
            type='MMDistributedDataParallel', broadcast_buffers=False, gradient_as_bucket_view=True)


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmdet', 'mmseg'])
def test_wrapper_is_found_from_every_framework(scope):
    init_default_scope(scope)
    with MODEL_WRAPPERS.switch_scope_and_registry(None) as registry:
        assert registry.get('MMDistributedDataParallel') is MMDistributedDataParallel
