"""RoIAlign, against a reference written here in plain float64 loops."""

import math

import numpy as np
import pytest
import torch

from mmsimmim.compat import mmcv_ops
from tests.compat.mmcv_ops.stand_in import ROIS, double, ops


def bilinear_corners(y, x, height, width):
    """Pixels and weights of RoIAlign's sample: nothing beyond one pixel outside, clamped to the edge before."""
    if y < -1 or y > height or x < -1 or x > width:
        return []
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    below, beside = y - top, x - left
    return [
        (top, left, (1 - below) * (1 - beside)),
        (top, right, (1 - below) * beside),
        (bottom, left, below * (1 - beside)),
        (bottom, right, below * beside),
    ]


def roi_align_weights(roi, shape, out_size, scale, sampling_ratio, aligned):
    """For each bin the pixels and weights whose weighted sum is its value."""
    height, width = shape
    x1, y1, x2, y2 = (float(side) * scale - (0.5 if aligned else 0.0) for side in roi)
    roi_w, roi_h = x2 - x1, y2 - y1
    if not aligned:
        roi_w, roi_h = max(roi_w, 1.0), max(roi_h, 1.0)
    bin_h, bin_w = roi_h / out_size[0], roi_w / out_size[1]
    grid_h = sampling_ratio or math.ceil(bin_h)
    grid_w = sampling_ratio or math.ceil(bin_w)
    for row in range(out_size[0]):
        for column in range(out_size[1]):
            terms = []
            for i in range(grid_h):
                for j in range(grid_w):
                    y = y1 + (row + (i + 0.5) / grid_h) * bin_h
                    x = x1 + (column + (j + 0.5) / grid_w) * bin_w
                    terms += bilinear_corners(y, x, height, width)
            yield row, column, [(r, c, w / (grid_h * grid_w)) for r, c, w in terms]


def reference_roi_align(features, rois, out_size, *args):
    result = np.zeros((len(rois), features.shape[1], *out_size))
    for n, roi in enumerate(rois):
        for row, column, terms in roi_align_weights(roi[1:], features.shape[2:], out_size, *args):
            for r, c, weight in terms:
                result[n, :, row, column] += weight * features[int(roi[0]), :, r, c]
    return result


def reference_roi_align_gradient(grad, rois, shape, *args):
    result = np.zeros(shape)
    for n, roi in enumerate(rois):
        for row, column, terms in roi_align_weights(roi[1:], shape[2:], grad.shape[2:], *args):
            for r, c, weight in terms:
                result[int(roi[0]), :, r, c] += weight * grad[n, :, row, column]
    return result


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('scale', [0.25, 1.0])
def test_roi_align_forward_and_backward_equal_reference(aligned, sampling_ratio, scale):
    random = np.random.default_rng(0)
    features = random.standard_normal((3, 2, 9, 8))
    grad = random.standard_normal((len(ROIS), 2, 3, 4))
    leaf = double(features).requires_grad_()

    result = ops.roi_align(leaf, double(ROIS), (3, 4), scale, sampling_ratio, 'avg', aligned)
    result.backward(double(grad))

    settings = (scale, sampling_ratio, aligned)
    expected = reference_roi_align(features, ROIS, (3, 4), *settings)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    expected_grad = reference_roi_align_gradient(grad, ROIS, features.shape, *settings)
    np.testing.assert_allclose(leaf.grad.numpy(), expected_grad, rtol=1e-10, atol=1e-12)


def test_roi_align_takes_gradients_that_are_not_contiguous():
    random = np.random.default_rng(4)
    grad = random.standard_normal((len(ROIS), 4, 3, 2))
    leaf = torch.zeros(3, 2, 9, 8, dtype=torch.float64, requires_grad=True)
    ops.roi_align(leaf, double(ROIS), (3, 4), 0.25, 2, 'avg', True).backward(double(grad).transpose(1, 3))
    expected = reference_roi_align_gradient(grad.transpose(0, 3, 2, 1), ROIS, (3, 2, 9, 8), 0.25, 2, True)
    np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=1e-10, atol=1e-12)


def test_roi_align_without_rois():
    leaf = torch.randn(2, 3, 8, 8, requires_grad=True)
    result = ops.RoIAlign(7, 0.25, 0)(leaf, torch.zeros(0, 5))
    result.sum().backward()
    assert result.shape == (0, 3, 7, 7)
    assert torch.equal(leaf.grad, torch.zeros_like(leaf))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_roi_align_rounds_low_precision_once(dtype):
    features = torch.randn(3, 2, 9, 8, generator=torch.Generator().manual_seed(5)).to(dtype)
    leaf, rois = features.requires_grad_(), torch.tensor(ROIS)
    result = ops.roi_align(leaf, rois, (3, 4), 0.25, 2, 'avg', True)
    result.sum().backward()
    in_double = features.detach().double().numpy()
    expected = reference_roi_align(in_double, ROIS, (3, 4), 0.25, 2, True)
    grad = reference_roi_align_gradient(np.ones((len(ROIS), 2, 3, 4)), ROIS, in_double.shape, 0.25, 2, True)
    assert result.dtype == leaf.grad.dtype == dtype
    half_a_step = torch.finfo(dtype).eps / 2 * 1.01
    np.testing.assert_allclose(result.detach().double().numpy(), expected, rtol=half_a_step, atol=1e-6)
    np.testing.assert_allclose(leaf.grad.double().numpy(), grad, rtol=half_a_step, atol=1e-6)


def test_roi_align_under_autocast():
    features = torch.randn(3, 2, 9, 8, generator=torch.Generator().manual_seed(5))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = ops.roi_align(features, torch.tensor(ROIS), (3, 4), 0.25, 2, 'avg', True)
    expected = reference_roi_align(features.double().numpy(), ROIS, (3, 4), 0.25, 2, True)
    np.testing.assert_allclose(result.double().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_roi_align_maximum_is_refused():
    with pytest.raises(mmcv_ops.UnsupportedOpError, match="roi_align with pool_mode='max'"):
        ops.RoIAlign(7, pool_mode='max')(torch.zeros(1, 1, 8, 8), torch.zeros(1, 5))
