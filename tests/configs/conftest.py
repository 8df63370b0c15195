"""Runs of shipped configs in little time."""

import pytest
from mmengine.config import Config


@pytest.fixture(autouse=True)
def plain_config_text(monkeypatch):
    """MMEngine formats the text of a config half a dozen times in a run, which takes longer than a small training."""
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: repr(self.to_dict())))
