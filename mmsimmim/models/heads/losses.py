"""Distances between prediction and target, averaged over the positions that count."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from ...registry import MODELS

CRITERIA = {'L1': F.l1_loss, 'L2': F.mse_loss, 'SmoothL1': F.smooth_l1_loss}
# What the official loss adds to the number of masked pixels.
EPSILON = 1e-5


@MODELS.register_module()
class PixelReconstructionLoss(BaseModule):
    """Mean distance over masked pixels and channels, summed in float32 whatever the network's precision.

    Args:
        criterion (str): ``'L1'``, ``'L2'`` (the squared difference) or ``'SmoothL1'`` (half of the squared difference
            where this is below 1, elsewhere L1 less a half).
        channel (int, optional): What the sum over the channels is divided by. Defaults to None, for the channels
            of the prediction.

    Raises:
        ValueError: If the criterion is unknown.
    """

    takes: ClassVar[str] = 'values'

    def __init__(self, criterion: str, channel: int | None = None) -> None:
        super().__init__()
        if criterion not in CRITERIA:
            raise ValueError(f'criterion {criterion!r} is none of {list(CRITERIA)}')
        self.criterion = criterion
        self.channel = channel

    def forward(self, pred: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compare.

        Args:
            pred (Tensor): Prediction, shape (B, C, H, W).
            target (Tensor): Target, shape (B, C, H, W).
            mask (Tensor, optional): Shape (B, 1, H, W), 1 where the loss applies. Defaults to None, for everywhere.

        Returns:
            Tensor: Scalar, float32 (float64 if an input is): ``sum(distance * mask) / (sum(mask) + 1e-5) / channel``
            as in the official ``models/simmim.py``; 0, not NaN, if nothing is masked.

        Raises:
            ValueError: If prediction and target differ in shape.
        """
        _require_fit(pred, tuple(target.shape))
        dtype = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
        distance = CRITERIA[self.criterion](pred.to(dtype), target.to(dtype), reduction='none')
        mask = torch.ones_like(distance[:, :1]) if mask is None else mask.to(dtype)
        channel = pred.shape[1] if self.channel is None else self.channel
        return (distance * mask).sum() / (mask.sum() + EPSILON) / channel


@MODELS.register_module()
class CrossEntropyReconstructionLoss(BaseModule):
    """Mean cross-entropy over masked positions and groups of classes, in float32 whatever the network's precision.

    Args:
        scores_at_a_time (int): Inside :class:`mmsimmim.SimMIM` at most this number of logits is predicted at once, if
            those of a single image are not more: 256 bins of three channels at 192 px are 28 million for an image.
            Defaults to 2**27, 512 MiB in float32; at the peak, in the backward pass, there are three such tensors.

    Raises:
        ValueError: If ``scores_at_a_time`` is below 1.
    """

    takes: ClassVar[str] = 'classes'

    def __init__(self, scores_at_a_time: int = 2**27) -> None:
        super().__init__()
        if scores_at_a_time < 1:
            raise ValueError(f'scores_at_a_time must be at least 1, got {scores_at_a_time}')
        self.scores_at_a_time = scores_at_a_time

    def forward(self, pred: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compare.

        Args:
            pred (Tensor): Logits, shape (B, G * K, H, W): K for the classes of each of G groups, one group after
                another.
            target (Tensor): Classes, int64, from 0 to K - 1, shape (B, G, H, W).
            mask (Tensor, optional): Shape (B, 1, H, W), 1 where the loss applies. Defaults to None, for everywhere.

        Returns:
            Tensor: Scalar, float32 (float64 if the scores are): ``sum(entropy * mask) / (sum(mask) + 1e-5) / G``, in
            nats; 0 if nothing is masked.

        Raises:
            ValueError: If prediction and target do not fit.
        """
        groups = target.shape[1]
        _require_fit(pred, (len(target), pred.shape[1] // groups * groups, *target.shape[2:]))
        # Groups are folded into the batch, as softmax would copy the logits if they followed the classes.
        scores = pred.unflatten(1, (groups, -1)).flatten(0, 1).to(torch.promote_types(pred.dtype, torch.float32))
        entropy = F.cross_entropy(scores, target.flatten(0, 1), reduction='none').unflatten(0, (-1, groups))
        mask = torch.ones_like(entropy[:, :1]) if mask is None else mask.to(entropy.dtype)
        return (entropy * mask).sum() / (mask.sum() + EPSILON) / groups


def _require_fit(pred: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(pred.shape) != shape:
        raise ValueError(f'prediction {tuple(pred.shape)} and target {shape} differ in shape '
                         '(batch, channels, rows, columns): encoder_stride of the neck must be the total stride '
                         "of the backbone, out_channels of the neck the target's channels, and the image's sides "
                         'multiples of that stride')
