"""What the tests of the stand-ins share; a test that imports it is left out where mmcv is compiled."""

import math
from importlib.util import find_spec

import numpy as np
import pytest
import torch

import mmsimmim  # noqa: F401
from mmsimmim.compat import mmcv_extension

if find_spec('mmcv._ext').origin != mmcv_extension.__name__:
    pytest.skip('full mmcv brings its own operators', allow_module_level=True)

from mmcv import ops  # noqa: E402

__all__ = ['ROIS', 'double', 'ops', 'random_boxes', 'zero_padded_sample']

ROIS = [
    [1, 3.0, 2.0, 20.0, 17.5],
    [0, 0.0, 0.0, 31.0, 31.0],
    [2, 10.2, 11.7, 10.9, 12.1],  # smaller than a pixel of the feature map
    [1, -6.0, -3.0, 8.0, 40.0],  # beyond the edges
    [0, 29.0, 29.0, 36.0, 39.0],
]


def zero_padded_sample(plane, y, x):
    """Bilinear value with zeros outside the plane."""
    value = 0.0
    for r in (math.floor(y), math.floor(y) + 1):
        for c in (math.floor(x), math.floor(x) + 1):
            if 0 <= r < plane.shape[0] and 0 <= c < plane.shape[1]:
                value += (1 - abs(y - r)) * (1 - abs(x - c)) * plane[r, c]
    return value


def random_boxes(count, generator):
    corners = torch.rand(count, 2, generator=generator) * 60
    return torch.cat([corners, corners + 3 + torch.rand(count, 2, generator=generator) * 30], dim=1)


def double(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float64))
