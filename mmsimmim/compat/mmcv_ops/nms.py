"""Non-maximum suppression: greedy by torchvision, soft-NMS in PyTorch."""

import torch

from mmsimmim.compat.mmcv_ops.common import compute_dtype


def nms(bboxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int) -> torch.Tensor:
    """Greedy NMS: of boxes that overlap by more than the threshold, the one of highest score stays.

    Args:
        bboxes (Tensor): Boxes (x1, y1, x2, y2), shape (N, 4).
        scores (Tensor): Shape (N,).
        iou_threshold (float): A box is dropped if its IoU with a kept one is larger. Rounded to the type of the boxes,
            as mmcv holds it in float32: an IoU of 3/10 does not exceed 0.3.
        offset (int): 0, or 1 where coordinates are inclusive and a width is ``x2 - x1 + 1``.

    Returns:
        Tensor: int64 indices of the kept boxes by falling score; equal scores in the order of ``Tensor.sort``, as with
        mmcv.
    """
    from torchvision.ops import nms as torchvision_nms

    order = scores.detach().sort(descending=True).indices
    dtype = compute_dtype(bboxes, scores)
    bboxes, scores = bboxes.detach().to(dtype), scores.detach().to(dtype)
    # Moving the lower right corner by one gives intersections and areas the inclusive widths.
    inclusive = bboxes + bboxes.new_tensor([0, 0, offset, offset])
    kept = torchvision_nms(inclusive[order], scores[order], torch.tensor(iou_threshold, dtype=dtype).item())
    return order[kept]


def softnms(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    dets: torch.Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> torch.Tensor:
    """Soft-NMS: the scores of overlapping boxes decay instead of the boxes being dropped.

    Args:
        boxes (Tensor): Boxes (x1, y1, x2, y2), shape (N, 4).
        scores (Tensor): Shape (N,).
        dets (Tensor): Receives the kept boxes with their lowered scores in its first rows, shape (N, 5).
        iou_threshold (float): From this IoU on, methods 0 and 1 act.
        sigma (float): Width of the Gaussian of method 2.
        min_score (float): A box whose lowered score falls below it is dropped.
        method (int): 0 drops, 1 multiplies by ``1 - IoU``, 2 by ``exp(-IoU^2 / sigma)``.
        offset (int): 0, or 1 where coordinates are inclusive.

    Returns:
        Tensor: int64 indices of the kept boxes in the order of ``dets``. Of equal scores the first in the working order
            is taken, which mmcv changes as it goes: the box that is taken changes places with the first one left, and
            the last ones fill the places of boxes that are dropped.
    """
    boxes, scores = boxes.detach(), scores.detach().clone()
    left = torch.arange(len(boxes), device=boxes.device)
    kept, kept_scores = [], []
    while len(left) > 0:
        best = _first_largest(scores[left])
        winner = left[best].clone()
        kept.append(winner)
        kept_scores.append(scores[winner])
        left[best] = left[0]
        left = left[1:]
        overlap = _iou_with_one(boxes[winner], boxes[left], offset)
        scores[left] *= _soft_nms_weight(overlap, iou_threshold, sigma, method)
        left = _without(left, scores[left] < min_score)
    if not kept:
        return left
    indices = torch.stack(kept)
    dets[: len(indices)] = torch.cat([boxes[indices], torch.stack(kept_scores)[:, None]], dim=1)
    return indices


def _first_largest(scores: torch.Tensor) -> torch.Tensor:
    """Index of the first of the largest; as in a loop that compares with ``<``, NaN wins in the first place only."""
    others = torch.where(scores.isnan(), -torch.inf, scores)
    return torch.where(scores[0].isnan(), 0, others.argmax())


def _without(items: torch.Tensor, dropped: torch.Tensor) -> torch.Tensor:
    """The items that are not dropped; from the end, they move to the places of those that are."""
    count = int((~dropped).sum())
    moving = items[count:][~dropped[count:]]
    remaining = items[:count].clone()
    remaining[dropped[:count]] = moving.flip(0)
    return remaining


def _iou_with_one(box: torch.Tensor, others: torch.Tensor, offset: int) -> torch.Tensor:
    upper_left = torch.maximum(box[:2], others[:, :2])
    lower_right = torch.minimum(box[2:], others[:, 2:])
    intersection = (lower_right - upper_left + offset).clamp(min=0).prod(dim=1)
    area = (box[2:] - box[:2] + offset).prod()
    areas = (others[:, 2:] - others[:, :2] + offset).prod(dim=1)
    return intersection / (area + areas - intersection)


def _soft_nms_weight(overlap: torch.Tensor, iou_threshold: float, sigma: float, method: int) -> torch.Tensor:
    if method == 2:
        return torch.exp(-overlap.square() / sigma)
    lowered = torch.zeros_like(overlap) if method == 0 else 1 - overlap
    return torch.where(overlap >= iou_threshold, lowered, torch.ones_like(overlap))
