"""What every test begins with."""

import pytest


@pytest.fixture(autouse=True, scope='module')
def no_default_scope():
    """A runner or config that was built in another module leaves its framework's scope behind."""
    from mmengine.registry import DefaultScope
    DefaultScope._instance_dict.clear()
