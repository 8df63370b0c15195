"""Multi-scale deformable attention, against a reference written here in plain float64 loops."""

import numpy as np
import pytest
import torch

from tests.compat.mmcv_ops.stand_in import double, ops, zero_padded_sample


def reference_ms_deform_attn(value, shapes, locations, weights):
    batch, _, heads, channels = value.shape
    queries, _, levels, points = weights.shape[1:]
    result = np.zeros((batch, queries, heads * channels))
    for b, q, h, level, point in np.ndindex(batch, queries, heads, levels, points):
        height, width = shapes[level]
        start = sum(rows * columns for rows, columns in shapes[:level])
        plane = value[b, start : start + height * width, h].reshape(height, width, channels)
        x, y = locations[b, q, h, level, point]
        for channel in range(channels):
            sample = zero_padded_sample(plane[..., channel], y * height - 0.5, x * width - 0.5)
            result[b, q, h * channels + channel] += weights[b, q, h, level, point] * sample
    return result


def test_multi_scale_deformable_attention_equals_reference():
    random = np.random.default_rng(8)
    shapes = [(4, 5), (2, 3)]
    value = random.standard_normal((2, 26, 2, 3))
    locations = random.uniform(-0.1, 1.1, (2, 3, 2, 2, 2, 2))
    weights = random.random((2, 3, 2, 2, 2))
    leaves = [double(array).requires_grad_() for array in (value, locations, weights)]
    function = ops.multi_scale_deform_attn.MultiScaleDeformableAttnFunction.apply
    starts = torch.tensor([0, 20])
    result = function(leaves[0], torch.tensor(shapes), starts, leaves[1], leaves[2], 64)
    expected = reference_ms_deform_attn(value, shapes, locations, weights)
    np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-9, atol=1e-12)

    grad = random.standard_normal(expected.shape)
    result.backward(double(grad))
    arrays = [value, locations, weights]
    for position, leaf in enumerate(leaves):
        direction = random.standard_normal(arrays[position].shape)

        def along(step, position=position, direction=direction):
            moved = list(arrays)
            moved[position] = moved[position] + step * direction
            return (grad * reference_ms_deform_attn(moved[0], shapes, moved[1], moved[2])).sum()

        slope = (along(1e-6) - along(-1e-6)) / 2e-6
        assert float((leaf.grad.numpy() * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_locations_a_pixel_outside_have_no_gradient():
    # Recorded from mmcv's kernel: of the two samples outside, and of the two inside.
    locations = double([[-0.25, 0.25], [0.25, -0.25], [0.25, 0.25], [0.5, 0.5]]).view(1, 1, 1, 1, 4, 2).requires_grad_()
    value, weights = double([1, 2, 4, 8]).view(1, 4, 1, 1), torch.ones(1, 1, 1, 1, 4, dtype=torch.float64)
    function = ops.multi_scale_deform_attn.MultiScaleDeformableAttnFunction.apply
    function(value, torch.tensor([[2, 2]]), torch.tensor([0]), locations, weights, 64).sum().backward()
    assert locations.grad.flatten().tolist() == [0, 0, 0, 0, 2, 6, 5, 9]
