"""The stand-in for ``mmcv._ext``, against references written here in plain float64 loops."""

import importlib.machinery
import importlib.util
import math
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

import mmsimmim  # noqa: F401
from mmsimmim.compat import mmcv_ops
from mmsimmim.compat.mmcv_ops.nms import nms
from mmsimmim.compat.versions import installed_version

if installed_version('mmcv') is not None:
    pytest.skip('full mmcv brings its own operators', allow_module_level=True)

from mmcv import ops  # noqa: E402

# --- references ---


def iou(first, second, offset):
    width = min(first[2], second[2]) - max(first[0], second[0]) + offset
    height = min(first[3], second[3]) - max(first[1], second[1]) + offset
    intersection = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (first, second)]
    return intersection / (sum(areas) - intersection)


def reference_nms(boxes, scores, threshold, offset=0):
    order = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept = []
    for i in order:
        if all(iou(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def reference_soft_nms(boxes, scores, threshold, sigma, min_score, method, offset=0):
    scores, left, kept = list(scores), list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda i: (scores[i], -i))
        left.remove(best)
        kept.append((best, scores[best]))
        for i in left:
            overlap = iou(boxes[best], boxes[i], offset)
            if method == 'gaussian':
                scores[i] *= math.exp(-overlap * overlap / sigma)
            elif overlap >= threshold:
                scores[i] *= 0.0 if method == 'naive' else 1 - overlap
        left = [i for i in left if scores[i] >= min_score]
    return kept


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


def reference_focal(logits, target, gamma, alpha, weight=None):
    """Loss and its derivative by the logit, element by element."""
    loss, slope = np.zeros_like(logits), np.zeros_like(logits)
    for n, c in np.ndindex(*logits.shape):
        p = 1 / (1 + math.exp(-logits[n, c]))
        factor = 1.0 if weight is None else weight[target[n]]
        if target[n] == c:
            loss[n, c] = -factor * alpha * (1 - p) ** gamma * math.log(p)
            slope[n, c] = factor * alpha * (1 - p) ** gamma * (gamma * p * math.log(p) - (1 - p))
        else:
            loss[n, c] = -factor * (1 - alpha) * p**gamma * math.log(1 - p)
            slope[n, c] = factor * (1 - alpha) * p**gamma * (p - gamma * (1 - p) * math.log(1 - p))
    return loss, slope


def zero_padded_sample(plane, y, x):
    """Bilinear value with zeros outside the plane."""
    value = 0.0
    for r in (math.floor(y), math.floor(y) + 1):
        for c in (math.floor(x), math.floor(x) + 1):
            if 0 <= r < plane.shape[0] and 0 <= c < plane.shape[1]:
                value += (1 - abs(y - r)) * (1 - abs(x - c)) * plane[r, c]
    return value


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


def random_boxes(count, generator):
    corners = torch.rand(count, 2, generator=generator) * 60
    return torch.cat([corners, corners + 3 + torch.rand(count, 2, generator=generator) * 30], dim=1)


def double(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


# --- NMS ---


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.1, 0.3, 0.6])
def test_nms_equals_reference(threshold, offset):
    generator = torch.Generator().manual_seed(0)
    boxes, scores = random_boxes(80, generator), torch.rand(80, generator=generator)
    dets, kept = ops.nms(boxes, scores, threshold, offset=offset)
    expected = reference_nms(boxes.double().tolist(), scores.tolist(), threshold, offset)
    assert kept.tolist() == expected
    assert 0 < len(expected) < 80
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[kept])


def test_nms_takes_the_first_of_equal_scores():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [40, 40, 50, 50], [0, 0, 10, 10], [41, 41, 51, 51]])
    scores = torch.tensor([0.5, 0.5, 0.9, 0.5, 0.9])
    assert ops.nms(boxes, scores, 0.5)[1].tolist() == [2, 0]


def test_nms_keeps_an_overlap_that_equals_the_threshold():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1]])
    scores = torch.tensor([0.9, 0.8])
    assert ops.nms(boxes, scores, 0.5)[1].tolist() == [0, 1]
    assert ops.nms(boxes, scores, 0.499)[1].tolist() == [0]


def test_nms_offset_makes_touching_pixels_overlap():
    # Widths of 3 and 3 pixels sharing one column: 3 of 15 inclusive pixels; without the offset they only touch.
    boxes, scores = torch.tensor([[0.0, 0, 2, 2], [2, 0, 4, 2]]), torch.tensor([0.9, 0.8])
    assert ops.nms(boxes, scores, 0.15, offset=0)[1].tolist() == [0, 1]
    assert ops.nms(boxes, scores, 0.15, offset=1)[1].tolist() == [0]


def test_nms_score_threshold_and_max_num():
    boxes = torch.tensor([[0.0, 0, 1, 1], [5, 5, 6, 6], [10, 10, 11, 11], [20, 20, 21, 21]])
    scores = torch.tensor([0.2, 0.9, 0.05, 0.7])
    assert ops.nms(boxes, scores, 0.5, score_threshold=0.1)[1].tolist() == [1, 3, 0]
    assert ops.nms(boxes, scores, 0.5, score_threshold=0.1, max_num=2)[1].tolist() == [1, 3]


@pytest.mark.parametrize('score_threshold', [0, 0.5])
def test_nms_of_nothing(score_threshold):
    dets, kept = ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5, score_threshold=score_threshold)
    assert dets.shape == (0, 5)
    assert kept.shape == (0,) and kept.dtype == torch.int64


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_nms_of_float_boxes_with_low_precision_scores(dtype):
    generator = torch.Generator().manual_seed(1)
    boxes, scores = random_boxes(40, generator), torch.randperm(40, generator=generator).to(dtype) / 64
    kept = nms(boxes, scores, iou_threshold=0.4, offset=0)
    assert kept.tolist() == reference_nms(boxes.double().tolist(), scores.tolist(), 0.4)


@pytest.mark.parametrize('split_thr', [10000, 10])
def test_batched_nms_equals_reference_per_class(split_thr):
    generator = torch.Generator().manual_seed(2)
    boxes = random_boxes(60, generator)
    boxes[30:40] = boxes[:10]
    scores = (torch.rand(60, generator=generator) * 20).round() / 20  # many ties
    classes = torch.randint(0, 3, (60,), generator=generator)
    dets, kept = ops.batched_nms(boxes, scores, classes, dict(type='nms', iou_threshold=0.4, split_thr=split_thr))

    expected = set()
    for label in range(3):
        members = (classes == label).nonzero().flatten().tolist()
        chosen = reference_nms(boxes[members].double().tolist(), scores[members].tolist(), 0.4)
        expected |= {members[i] for i in chosen}
    assert set(kept.tolist()) == expected
    assert len(kept) == len(expected) < 60
    assert torch.equal(dets[:, 4], scores[kept])
    assert torch.equal(dets[:, 4], dets[:, 4].sort(descending=True).values)
    assert torch.equal(dets[:, :4], boxes[kept])


def test_batched_nms_class_agnostic():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    scores, classes = torch.tensor([0.4, 0.6]), torch.tensor([0, 1])
    config = dict(type='nms', iou_threshold=0.5)
    assert ops.batched_nms(boxes, scores, classes, config)[1].tolist() == [1, 0]
    assert ops.batched_nms(boxes, scores, classes, config, class_agnostic=True)[1].tolist() == [1]


def test_batched_nms_of_nothing():
    # Class by class mmcv's own Python asks for the maximum of no boxes; mmdet does not call it then.
    empty = torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long)
    for config in (dict(type='nms', iou_threshold=0.5), None):
        dets, kept = ops.batched_nms(*empty, config, class_agnostic=True)
        assert dets.shape == (0, 5) and kept.shape == (0,)


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('offset', [0, 1])
def test_soft_nms_equals_reference(method, offset):
    generator = torch.Generator().manual_seed(3)
    boxes, scores = random_boxes(40, generator), torch.rand(40, generator=generator)
    dets, kept = ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, offset)
    expected = reference_soft_nms(boxes.double().tolist(), scores.tolist(), 0.3, 0.5, 0.05, method, offset)
    assert kept.tolist() == [index for index, _ in expected]
    assert len(expected) < 40
    torch.testing.assert_close(dets[:, 4].double(), double([score for _, score in expected]), rtol=1e-5, atol=1e-6)
    assert torch.equal(dets[:, :4], boxes[kept])


def test_soft_nms_of_nothing():
    dets, kept = ops.soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert dets.shape == (0, 5) and kept.shape == (0,)


# --- RoIAlign ---

ROIS = [
    [1, 3.0, 2.0, 20.0, 17.5],
    [0, 0.0, 0.0, 31.0, 31.0],
    [2, 10.2, 11.7, 10.9, 12.1],  # smaller than a pixel of the feature map
    [1, -6.0, -3.0, 8.0, 40.0],  # beyond the edges
    [0, 29.0, 29.0, 36.0, 39.0],
]


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


# --- focal loss ---


@pytest.mark.parametrize('gamma, alpha', [(2.0, 0.25), (0.0, 0.5), (1.5, 0.8)])
@pytest.mark.parametrize('weighted', [False, True])
def test_sigmoid_focal_loss_equals_reference(gamma, alpha, weighted):
    random = np.random.default_rng(6)
    logits = random.standard_normal((7, 3)) * 3
    target = np.array([0, 2, 1, 1, 0, 2, 2] if weighted else [0, 2, 3, 1, 3, 0, 2])  # 3 is the background
    weight = np.array([0.5, 2.0, 1.25]) if weighted else None
    leaf = double(logits).requires_grad_()
    loss = ops.sigmoid_focal_loss(
        leaf, torch.from_numpy(target), gamma, alpha, double(weight) if weighted else None, 'none'
    )
    loss.sum().backward()
    expected, slope = reference_focal(logits, target, gamma, alpha, weight)
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(leaf.grad.numpy(), slope, rtol=1e-9)


def test_sigmoid_focal_loss_is_finite_for_large_logits():
    leaf = torch.tensor([[300.0, -300.0], [-300.0, 300.0]], requires_grad=True)
    loss = ops.sigmoid_focal_loss(leaf, torch.tensor([1, 2]), 2.0, 0.25, None, 'none')
    loss.sum().backward()
    np.testing.assert_allclose(loss.detach().numpy(), [[225.0, 75.0], [0.0, 225.0]], rtol=1e-6)
    assert torch.isfinite(leaf.grad).all()


# --- deformable operators ---


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


# --- the module ---


def test_unsupported_op_resolves_and_raises_with_its_name_and_the_cure_when_called():
    extension = sys.modules['mmcv._ext']
    op = extension.carafe_forward
    message = "'carafe_forward'.*pip uninstall -y mmcv-lite && pip install"
    with pytest.raises(mmcv_ops.UnsupportedOpError, match=message):
        op(1, two=2)


def test_unsupported_op_through_mmcv():
    with pytest.raises(mmcv_ops.UnsupportedOpError, match='roi_pool_forward'):
        ops.roi_pool(torch.zeros(1, 1, 8, 8), torch.zeros(1, 5), 2)


def test_module_passes_for_a_real_one():
    import mmcv
    from mmcv.utils.ext_loader import load_ext

    extension = sys.modules['mmcv._ext']
    assert importlib.util.find_spec('mmcv._ext') is extension.__spec__
    assert extension.__spec__.loader is not None
    assert mmcv._ext is extension
    assert load_ext('_ext', ['nms', 'roi_pool_forward']) is extension
    assert not hasattr(extension, '__path__')
    assert ops.get_compiler_version() == ops.get_compiling_cuda_version() == 'n/a'


def test_apply_twice_keeps_the_module():
    extension = sys.modules['mmcv._ext']
    mmcv_ops.apply()
    assert sys.modules['mmcv._ext'] is extension


def test_steps_aside_for_an_extension_that_is_installed(monkeypatch):
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return importlib.machinery.ModuleSpec(name, None) if name == 'mmcv._ext' else None

    monkeypatch.delitem(sys.modules, 'mmcv._ext')
    monkeypatch.setattr(sys, 'meta_path', [Finder, *sys.meta_path])
    mmcv_ops.apply()
    assert 'mmcv._ext' not in sys.modules


def test_steps_aside_for_an_extension_that_is_loaded(monkeypatch):
    loaded = ModuleType('mmcv._ext')
    monkeypatch.setitem(sys.modules, 'mmcv._ext', loaded)
    mmcv_ops.apply()
    assert sys.modules['mmcv._ext'] is loaded
    assert not hasattr(loaded, 'nms')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_gpu_equals_cpu():
    generator = torch.Generator().manual_seed(9)
    boxes, scores = random_boxes(200, generator), torch.rand(200, generator=generator)
    assert ops.nms(boxes.cuda(), scores.cuda(), 0.5)[1].tolist() == ops.nms(boxes, scores, 0.5)[1].tolist()

    features, rois = torch.randn(3, 2, 9, 8, generator=generator), torch.tensor(ROIS)
    grads, outputs = [], []
    for device in ('cpu', 'cuda'):
        leaf = features.to(device).requires_grad_()
        output = ops.roi_align(leaf, rois.to(device), (3, 4), 0.25, 0, 'avg', True)
        (output * output).sum().backward()
        outputs.append(output.detach().cpu())
        grads.append(leaf.grad.cpu())
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*grads)
