"""Runs of shipped configs in little time."""

import functools
from types import SimpleNamespace

import pytest
from mmengine.config import Config


@pytest.fixture(autouse=True)
def plain_config_text(monkeypatch):
    """MMEngine formats the text of a config half a dozen times in a run, which takes longer than a small training."""
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: repr(self.to_dict())))


@pytest.fixture(autouse=True)
def garbage_is_left_to_python(monkeypatch):
    """MMEngine looks for it with every data set, among all the objects of OpenMMLab's modules."""
    from mmengine.dataset import base_dataset
    monkeypatch.setattr(base_dataset, 'gc', SimpleNamespace(collect=lambda: 0))


@pytest.fixture(autouse=True, scope='package')
def frameworks_looked_up_once():
    """For each base such as `mmdet::_base_/...` MMEngine reads anew what is installed, and every metafile in it."""
    from mmengine.config import config, utils
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, 'load', functools.cache(utils.load))
        patch.setattr(config, 'is_installed', functools.cache(config.is_installed))
        yield
