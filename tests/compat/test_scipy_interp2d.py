"""Bias tables of mmpretrain's and mmsegmentation's own BEiT are resized, whatever SciPy is installed."""

import numpy as np
import pytest
import torch
from scipy import interpolate

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.compat import scipy_interp2d
from mmsimmim.layers import resize_bias_table


def test_values_are_those_of_the_product_of_two_splines():
    """Reference: SciPy's spline in one dimension, along rows and then along columns."""
    generator = np.random.default_rng(0)
    x, y, values = np.sort(generator.normal(size=9)), np.arange(7.), generator.normal(size=(7, 9))
    new_x, new_y = np.linspace(x[0], x[-1], 13), np.array([0.5, 3, 6])
    along_x = interpolate.make_interp_spline(x, values, k=3, axis=1)(new_x)
    expected = interpolate.make_interp_spline(y, along_x, k=3, axis=0)(new_y)
    found = interpolate.interp2d(x, y, values, kind='cubic')(new_x, new_y)
    assert found.shape == (3, 13)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_mmpretrain_resizes_as_the_official_code():
    from mmpretrain.models.utils import resize_relative_position_bias_table
    table = torch.randn(11 * 11, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = resize_relative_position_bias_table(11, 13, table, 2)
    assert found.shape == (13 * 13, 2)
    torch.testing.assert_close(found.double(), resize_bias_table(table, 13 * 13), rtol=1e-5, atol=1e-5)


def test_what_the_frameworks_do_not_ask_for_is_refused():
    with pytest.raises(NotImplementedError, match="kind='quintic'.*RegularGridInterpolator"):
        scipy_interp2d.interp2d(np.arange(4), np.arange(4), np.zeros((4, 4)), kind='quintic')


def test_steps_aside_where_scipy_has_it(monkeypatch):
    class Works:
        pass

    module = type('interpolate', (), dict(interp2d=Works))
    monkeypatch.setattr(scipy_interp2d, 'is_removed', lambda: False)
    scipy_interp2d._replace(module)
    assert module.interp2d is Works
