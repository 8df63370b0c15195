"""Cases for NMS and soft-NMS."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tools.benchmarks.operators.row import Row, generator


def random_boxes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Boxes with fractional corners in 100 x 100 pixels, and scores without ties."""
    random = generator(seed)
    corners = torch.rand(count, 2, generator=random) * 60
    sides = 3 + torch.rand(count, 2, generator=random) * 30
    return torch.cat([corners, corners + sides], dim=1), torch.randperm(count, generator=random) / count


def integer_boxes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Boxes of 1 to 10 whole pixels a side, crowded so that many IoUs are simple fractions such as 3/10."""
    random = generator(seed)
    corners = torch.randint(0, 10, (count, 2), generator=random)
    sides = torch.randint(1, 11, (count, 2), generator=random)
    return torch.cat([corners, corners + sides], dim=1).float(), torch.randperm(count, generator=random) / count


def tied_scores(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Fractional boxes with five different scores."""
    boxes, _ = random_boxes(count, seed)
    return boxes, torch.randint(1, 6, (count,), generator=generator(seed)) / 5


def odd_boxes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Boxes of no width, no height, or with their corners changed over; some twice."""
    boxes, scores = integer_boxes(count, seed)
    boxes[::3, 2] = boxes[::3, 0]
    boxes[1::5, [1, 3]] = boxes[1::5, [3, 1]]
    boxes[-count // 4 :] = boxes[: count // 4 or 1].repeat(2, 1)[: len(boxes[-count // 4 :])]
    return boxes, scores


BOXES = {
    'fractional boxes': random_boxes,
    'integer boxes': integer_boxes,
    'equal scores': tied_scores,
    'boxes without area or turned': odd_boxes,
}

THRESHOLDS = tuple(tenth / 10 for tenth in range(1, 10))
METHODS = {'naive': 0, 'linear': 1, 'gaussian': 2}


def nms_rows(sets: int = 100) -> Iterator[Row]:
    """Sets of 40 boxes with each threshold, every other one with inclusive coordinates (offset 1)."""
    for name, make in BOXES.items():
        cases = [_nms_case('nms', make, 40, threshold, seed) for threshold in THRESHOLDS for seed in range(sets)]
        yield Row('nms', name, cases)
    yield Row('nms', 'no box, one box', [_nms_case('nms', random_boxes, count, 0.5, 0) for count in (0, 1)])
    cases = [
        _nms_case('nms_gpu', integer_boxes, 40, threshold, seed) for threshold in THRESHOLDS for seed in range(sets)
    ]
    yield Row("nms, with a GPU's test of overlap", 'integer boxes', cases, known=KNOWN_GPU)


KNOWN_GPU = 'a GPU multiplies the threshold where a CPU divides: an IoU within a rounding of it may fall otherwise'


def _nms_case(operator, make, count, threshold, seed):
    def run(extension):
        boxes, scores = make(count, seed)
        function = getattr(extension, operator, extension.nms)
        return {'kept': function(boxes, scores, iou_threshold=threshold, offset=seed % 2)}

    return run


def soft_nms_rows(sets: int = 100) -> Iterator[Row]:
    """Sets of 40 boxes of each kind, every other one with inclusive coordinates."""
    for name, method in METHODS.items():
        cases = [_soft_nms_case(make, 40, method, seed) for make in BOXES.values() for seed in range(sets)]
        # An exponential is not rounded alike everywhere.
        yield Row('soft_nms', f'{name}, boxes of all these kinds', cases, 1e-6 if name == 'gaussian' else 0.0)
    yield Row('soft_nms', 'no box, one box', [_soft_nms_case(random_boxes, count, 1, 0) for count in (0, 1)])


def _soft_nms_case(make, count, method, seed):
    def run(extension):
        boxes, scores = make(count, seed)
        dets = boxes.new_zeros(count, 5)
        kept = extension.softnms(
            boxes, scores, dets, iou_threshold=0.3, sigma=0.5, min_score=0.05, method=method, offset=seed % 2
        )
        return {'kept': kept, 'boxes': dets[: len(kept), :4], 'scores': dets[: len(kept), 4]}

    return run
