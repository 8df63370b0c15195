"""Deformable convolution, against a reference written here in plain float64 loops."""

import numpy as np
import pytest

from tests.compat.mmcv_ops.stand_in import double, ops, zero_padded_sample


def reference_deform_conv(x, offset, weight, mask, bias, stride, padding, dilation, groups, deform_groups):
    batch, channels_in, height, width = x.shape
    channels_out, per_group, kernel_h, kernel_w = weight.shape
    out_h, out_w = offset.shape[2:]
    result = np.zeros((batch, channels_out, out_h, out_w))
    for b, o, i, j in np.ndindex(*result.shape):
        group = o // (channels_out // groups)
        for k in range(per_group):
            channel = group * per_group + k
            deform = channel // (channels_in // deform_groups)
            for u, v in np.ndindex(kernel_h, kernel_w):
                tap = (deform * kernel_h + u) * kernel_w + v
                row = i * stride - padding + u * dilation + offset[b, 2 * tap, i, j]
                column = j * stride - padding + v * dilation + offset[b, 2 * tap + 1, i, j]
                strength = 1.0 if mask is None else mask[b, tap, i, j]
                result[b, o, i, j] += weight[o, k, u, v] * strength * zero_padded_sample(x[b, channel], row, column)
        result[b, o, i, j] += 0.0 if bias is None else bias[o]
    return result


@pytest.mark.parametrize('groups, deform_groups', [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize('stride, padding, dilation', [(1, 1, 1), (2, 2, 2)])
@pytest.mark.parametrize('modulated', [False, True])
def test_deformable_convolution_equals_reference(groups, deform_groups, stride, padding, dilation, modulated):
    random = np.random.default_rng(7)
    size = (6 + 2 * padding - 2 * dilation - 1) // stride + 1
    x, weight = random.standard_normal((2, 4, 6, 6)), random.standard_normal((2, 4 // groups, 3, 3))
    offset = random.standard_normal((2, deform_groups * 18, size, size))
    mask = random.random((2, deform_groups * 9, size, size)) if modulated else None
    bias = random.standard_normal(2) if modulated else None
    geometry = (stride, padding, dilation, groups, deform_groups)

    leaves = [double(array).requires_grad_() for array in (x, offset, weight)]
    if modulated:
        extra = [double(mask).requires_grad_(), double(bias).requires_grad_()]
        result = ops.modulated_deform_conv2d(leaves[0], leaves[1], extra[0], leaves[2], extra[1], *geometry)
        leaves += extra
    else:
        result = ops.deform_conv2d(*leaves, *geometry)
    expected = reference_deform_conv(x, offset, weight, mask, bias, *geometry)
    np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-9, atol=1e-10)

    grad = random.standard_normal(expected.shape)
    result.backward(double(grad))
    arrays = [x, offset, weight] + ([mask, bias] if modulated else [])
    direction = [random.standard_normal(array.shape) for array in arrays]

    def along(step):
        moved = [array + step * d for array, d in zip(arrays, direction)]
        moved += [None] * (5 - len(moved))
        return (grad * reference_deform_conv(*moved, *geometry)).sum()

    slope = (along(1e-6) - along(-1e-6)) / 2e-6
    ours = sum(float((leaf.grad.numpy() * d).sum()) for leaf, d in zip(leaves, direction))
    assert ours == pytest.approx(slope, rel=1e-5)
