"""NMS and soft-NMS, against references written here in plain loops."""

import math

import numpy as np
import pytest
import torch

from mmsimmim.compat.mmcv_ops.nms import nms
from tests.compat.mmcv_ops.stand_in import double, ops, random_boxes


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


def float32_nms(boxes, scores, threshold):
    """As mmcv's compiled operator: everything in float32, the threshold, too."""
    boxes, threshold = boxes.numpy(), np.float32(threshold)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, kept = list(scores.numpy().argsort()[::-1]), []
    while order:
        best, rest = order[0], np.array(order[1:], dtype=int)
        kept.append(int(best))
        sides = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2])
        intersections = np.maximum(sides, np.float32(0)).prod(axis=1)
        overlaps = intersections / (areas[best] + areas[rest] - intersections)
        assert overlaps.dtype == np.float32
        order = list(rest[~(overlaps > threshold)])
    return kept


def reference_soft_nms(boxes, scores, threshold, sigma, min_score, method, offset=0):
    """With the working order of mmcv's loop, which decides between equal scores."""
    scores, left, kept = list(scores), list(range(len(boxes))), []
    while left:
        place = max(range(len(left)), key=lambda k: (scores[left[k]], -k))
        left[0], left[place] = left[place], left[0]
        best = left.pop(0)
        kept.append((best, scores[best]))
        for i in left:
            overlap = iou(boxes[best], boxes[i], offset)
            if method == 'gaussian':
                scores[i] *= math.exp(-overlap * overlap / sigma)
            elif overlap >= threshold:
                scores[i] *= 0.0 if method == 'naive' else 1 - overlap
        place = 0
        while place < len(left):
            if scores[left[place]] < min_score:
                last = left.pop()
                if place < len(left):
                    left[place] = last
            else:
                place += 1
    return kept


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


@pytest.mark.parametrize('threshold', [0.3, 0.6, 0.7])
def test_nms_of_integer_boxes_compares_with_a_float32_threshold(threshold):
    generator = torch.Generator().manual_seed(4)
    for _ in range(20):
        corners = torch.randint(0, 10, (40, 2), generator=generator)
        boxes = torch.cat([corners, corners + torch.randint(1, 11, (40, 2), generator=generator)], dim=1).float()
        scores = torch.randperm(40, generator=generator) / 40
        assert ops.nms(boxes, scores, threshold)[1].tolist() == float32_nms(boxes, scores, threshold)


def test_nms_keeps_a_box_whose_iou_rounds_to_the_threshold():
    boxes = torch.tensor([[0.0, 0, 10, 1], [0, 0, 3, 1], [20, 0, 30, 1], [20, 0, 27, 1]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    assert ops.nms(boxes, scores, 0.3)[1].tolist() == [0, 1, 2]
    assert ops.nms(boxes, scores, 0.7)[1].tolist() == [0, 1, 2, 3]
    assert nms(boxes.double(), scores, 0.7, offset=0).tolist() == [0, 1, 2, 3]


def test_nms_takes_equal_scores_in_the_order_of_sort():
    generator = torch.Generator().manual_seed(5)
    boxes, scores = random_boxes(60, generator), torch.randint(1, 4, (60,), generator=generator) / 4
    order = scores.sort(descending=True).indices
    expected = order[reference_nms(boxes[order].double().tolist(), list(range(60, 0, -1)), 0.4)]
    assert ops.nms(boxes, scores, 0.4)[1].tolist() == expected.tolist()


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
    scores = torch.randperm(60, generator=generator) / 60
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


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms_of_equal_scores_follows_the_working_order(method):
    generator = torch.Generator().manual_seed(6)
    boxes, scores = random_boxes(40, generator), torch.randint(1, 4, (40,), generator=generator) / 4
    _, kept = ops.soft_nms(boxes, scores, 0.3, 0.1, 0.2, method)
    expected = reference_soft_nms(boxes.double().tolist(), scores.tolist(), 0.3, 0.1, 0.2, method)
    assert kept.tolist() == [index for index, _ in expected]
    assert 10 < len(expected) < 40


def test_soft_nms_of_boxes_without_area_equals_numbers_of_the_compiled_operator():
    boxes = torch.tensor([[0.0, 0, 0, 5], [10, 10, 20, 20], [0, 0, 0, 5], [11, 10, 20, 20]])
    dets, kept = ops.soft_nms(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.3, 0.5, 0.05, 'gaussian')
    assert kept.tolist() == [0, 1, 2, 3]
    expected = torch.tensor([0.9, 0.8, torch.nan, 0.1187])
    torch.testing.assert_close(dets[:, 4], expected, rtol=0, atol=1e-4, equal_nan=True)
