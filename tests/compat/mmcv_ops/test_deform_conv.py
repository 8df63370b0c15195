"""Deformable convolution, against a reference written here in plain float64 loops."""

import numpy as np
import pytest
import torch

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


# What mmcv 2.1.0's compiled operator makes of test_larger_maps_are_read_from_their_first_numbers.
LARGER_MAPS = dict(
    output=[
        [-0.0034531250000000013, -0.022071716308593753, -0.149857421875, -0.20315755208333333],
        [-0.8770833333333334, -0.5966847330729169, -1.0088862304687503, -0.48633197021484453],
    ],
    weight=[3.1401400960286465, 3.2438330891927096],
    offset=[
        [0.0, 0.00287109375, 0.0065625, 0.025, 0.0, 0.0006575520833333334, 0.0221875, 0.00625]
        + [-0.008125, -0.0521484375, -0.1, -0.1166666666666667, -0.007083333333333335, -0.0091796875, -0.025]
        + [-0.02916666666666667],
        [0.2, 0.2083333333333335, -0.9827864583333333, -1.13396484375, 0.05, 0.05208333333333337, 0.049765625]
        + [0.05080078125, -0.4666666666666666, -0.3609895833333334, 2.40859375, 1.9411328125, -0.1166666666666666]
        + [1.66296875, -0.0992187500000002, 2.1106640625],
    ],
    mask=[
        [0.0, 0.0434970703125, 0.209671875, 0.6796875, -0.0414375, -0.220587890625, -1.26875, -1.684375],
        [1.03125, 1.2390625, 1.66695703125, 1.8206435546875, -2.3875, -2.0557734375, -3.0589140625, -2.338751953125],
    ],
)


def test_larger_maps_are_read_from_their_first_numbers():
    # An output of 2 x 2 with offsets and masks of 3 x 4, as in mmdet's DyHead.
    def maps(channels, start, step):
        numbers = torch.arange(2 * channels * 12, dtype=torch.float64).view(2, channels, 3, 4)
        return numbers / step + start

    x = torch.stack([torch.arange(12.0).view(1, 3, 4) / 10, torch.arange(12.0).view(1, 3, 4) / 10 + 1]).double()
    offset, mask = maps(4, -0.7, 64).requires_grad_(), maps(2, 0, 48).requires_grad_()
    weight = double([[[[1, -2]]]]).requires_grad_()
    output = ops.modulated_deform_conv2d(x, offset, mask, weight, None, 2)
    output.sum().backward()

    recorded = {name: double(numbers) for name, numbers in LARGER_MAPS.items()}
    close = dict(rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(output.detach().flatten(1), recorded['output'], **close)
    torch.testing.assert_close(weight.grad.flatten(), recorded['weight'], **close)
    torch.testing.assert_close(offset.grad.flatten(1)[:, :16], recorded['offset'], **close)
    torch.testing.assert_close(mask.grad.flatten(1)[:, :8], recorded['mask'], **close)
    assert not offset.grad.flatten(1)[:, 16:].any() and not mask.grad.flatten(1)[:, 8:].any()


def test_maps_of_another_size_are_refused():
    x, weight = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 1, 1)
    with pytest.raises(ValueError, match=r'\(3, 3\) pixels are too few for an output of \(4, 4\)'):
        ops.modulated_deform_conv2d(x, torch.zeros(1, 2, 3, 3), torch.zeros(1, 1, 3, 3), weight)
    for side in (3, 5):  # version 1 refuses larger maps, too, as the compiled one does
        with pytest.raises(RuntimeError, match='offset'):
            ops.deform_conv2d(x, torch.zeros(1, 2, side, side), weight)


@pytest.mark.parametrize('modulated', [False, True])
def test_offsets_of_zero_have_no_gradient_in_the_padding(modulated):
    # Recorded from mmcv's compiled operators: by rows, and by columns, of the inner 2 x 2 of a padded output of 4 x 4.
    recorded = [[[9.0, 18], [-12, -24]], [[3, -6], [12, -24]]]
    x, weight = double([[[[1, 2], [4, 8]]]]), double([[[[3]]]])
    offset = torch.zeros(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    if modulated:
        mask = torch.ones(1, 1, 4, 4, dtype=torch.float64)
        output = ops.modulated_deform_conv2d(x, offset, mask, weight, None, 1, 1)
    else:
        output = ops.deform_conv2d(x, offset, weight, 1, 1)
    output.sum().backward()
    expected = torch.zeros(2, 4, 4, dtype=torch.float64)
    expected[:, 1:3, 1:3] = double(recorded)
    assert torch.equal(offset.grad[0], expected)
