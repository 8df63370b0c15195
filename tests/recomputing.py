"""The ways of ``with_cp``, for tests that go through all of them."""

import pytest

from mmsimmim.layers import recompute

needs_cheap = pytest.mark.skipif(recompute.CheckpointPolicy is None, reason="with_cp='cheap' needs PyTorch 2.5")
WITH_CP = [False, True, pytest.param('cheap', marks=needs_cheap)]
