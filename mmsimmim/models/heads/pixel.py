"""Loss on the masked pixels."""


import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from ...registry import MODELS

CRITERIA = {'L1': F.l1_loss, 'L2': F.mse_loss}


@MODELS.register_module()
class PixelReconstructionLoss(BaseModule):
    """Mean distance over masked pixels and channels, summed in float32 whatever the network's precision.

    Args:
        criterion (str): ``'L1'`` or ``'L2'``.
        channel (int, optional): What the sum over the channels is divided by. Defaults to None, for the channels
            of the prediction.

    Raises:
        ValueError: If the criterion is unknown.
    """

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
            mask (Tensor, optional): Shape (B, 1, H, W), 1 where the loss looks. Defaults to None, for everywhere.

        Returns:
            Tensor: Scalar, float32 (float64 if an input is): ``sum(distance * mask) / (sum(mask) + 1e-5) / channel``
            as in the official ``models/simmim.py``; 0, not NaN, if nothing is masked.

        Raises:
            ValueError: If prediction and target differ in shape.
        """
        if pred.shape != target.shape:
            raise ValueError(f'prediction {tuple(pred.shape)} and target {tuple(target.shape)} differ in shape '
                             '(batch, channels, rows, columns): encoder_stride of the neck must be the total stride '
                             "of the backbone, out_channels of the neck the target's channels, and the image's sides "
                             'multiples of that stride')
        dtype = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
        distance = CRITERIA[self.criterion](pred.to(dtype), target.to(dtype), reduction='none')
        mask = torch.ones_like(distance[:, :1]) if mask is None else mask.to(dtype)
        channel = pred.shape[1] if self.channel is None else self.channel
        return (distance * mask).sum() / (mask.sum() + 1e-5) / channel


@MODELS.register_module()
class SimMIMHead(BaseModule):
    """Bring the mask from tokens to pixels, and compare there.

    Args:
        patch_size (int): Pixels per side that one entry of the mask covers.
        loss (dict): Config of the loss, called with (prediction, target, mask).
    """

    def __init__(self, patch_size: int, loss: dict) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.loss_module = MODELS.build(loss)

    def loss(self, pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Loss on the masked area.

        Args:
            pred (Tensor): Prediction, shape (B, C, H, W).
            target (Tensor): Target, shape (B, C, H, W).
            mask (Tensor): Shape (B, H / patch_size, W / patch_size), 1 = masked.

        Returns:
            Tensor: Scalar.

        Raises:
            ValueError: If prediction and target, or mask and target, do not cover the same pixels.
        """
        pixels = mask.repeat_interleave(self.patch_size, 1).repeat_interleave(self.patch_size, 2).unsqueeze(1)
        if pixels.shape[2:] != target.shape[2:]:
            raise ValueError(f'the mask covers {tuple(pixels.shape[2:])} pixels, the image has '
                             f'{tuple(target.shape[2:])}: patch_size of the head ({self.patch_size}) must be that of '
                             'the backbone')
        return self.loss_module(pred, target, pixels)
