"""Non-maximum suppression: greedy by torchvision, soft written out."""

import torch

from mmsimmim.compat.mmcv_ops.common import compute_dtype


def nms(bboxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int) -> torch.Tensor:
    """Greedy NMS: of boxes that overlap by more than the threshold, the one of highest score stays.

    Args:
        bboxes (Tensor): Boxes (x1, y1, x2, y2), shape (N, 4).
        scores (Tensor): Shape (N,).
        iou_threshold (float): A box is dropped if its IoU with a kept one is larger.
        offset (int): 0, or 1 where coordinates are inclusive and a width is ``x2 - x1 + 1``.

    Returns:
        Tensor: int64 indices of the kept boxes by falling score; of equal scores the first comes first.
    """
    from torchvision.ops import nms as torchvision_nms

    dtype = compute_dtype(bboxes, scores)
    bboxes, scores = bboxes.detach().to(dtype), scores.detach().to(dtype)
    # Moving the lower right corner by one gives intersections and areas the inclusive widths.
    inclusive = bboxes + bboxes.new_tensor([0, 0, offset, offset])
    return torchvision_nms(inclusive, scores, iou_threshold)


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
    """Soft-NMS: overlapping boxes lose score instead of being dropped.

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
        Tensor: int64 indices of the kept boxes in the order of ``dets``. Equal scores keep the order of the input.
    """
    corners = boxes.detach() + boxes.new_tensor([0, 0, offset, offset])
    scores = scores.detach().clone()
    alive = torch.arange(len(boxes), device=boxes.device)
    kept, kept_scores = [], []
    while len(alive) > 0:
        best = scores[alive].argmax()
        winner = alive[best]
        kept.append(winner)
        kept_scores.append(scores[winner])
        alive = torch.cat([alive[:best], alive[best + 1 :]])
        overlap = _iou_with_one(corners[winner], corners[alive])
        scores[alive] *= _soft_nms_weight(overlap, iou_threshold, sigma, method)
        alive = alive[scores[alive] >= min_score]
    if not kept:
        return alive
    indices = torch.stack(kept)
    dets[: len(indices)] = torch.cat([boxes[indices], torch.stack(kept_scores)[:, None]], dim=1)
    return indices


def _iou_with_one(box: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    upper_left = torch.maximum(box[:2], others[:, :2])
    lower_right = torch.minimum(box[2:], others[:, 2:])
    intersection = (lower_right - upper_left).clamp(min=0).prod(dim=1)
    area = (box[2:] - box[:2]).prod()
    areas = (others[:, 2:] - others[:, :2]).prod(dim=1)
    return intersection / (area + areas - intersection)


def _soft_nms_weight(overlap: torch.Tensor, iou_threshold: float, sigma: float, method: int) -> torch.Tensor:
    if method == 2:
        return torch.exp(-overlap.square() / sigma)
    lowered = torch.zeros_like(overlap) if method == 0 else 1 - overlap
    return torch.where(overlap >= iou_threshold, lowered, torch.ones_like(overlap))
