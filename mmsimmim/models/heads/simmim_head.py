"""The loss between prediction and target, on masked pixels or on all."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...registry import MODELS
from ..ranges import require_number
from .losses import EPSILON

AREAS = ('masked', 'whole')


@MODELS.register_module()
class SimMIMHead(BaseModule):
    """Upsample the mask from tokens to predicted positions, and compute the loss there.

    Args:
        patch_size (int): Pixels per side that one entry of the mask covers.
        loss (dict): Config of the loss, called with (prediction, target, mask).
        area (str): ``'masked'`` compares on masked pixels only, ``'whole'`` on all, visible ones too (paper section
            3.4, prediction and reconstruction). Defaults to ``'masked'``.
        target_stride (int): Pixels per side of a target position. Defaults to 1; inside
            :class:`mmsimmim.SimMIM`, to the stride of its target.
        num_classes (int, optional): Classes of the target, None for values. Defaults to None; inside
            :class:`mmsimmim.SimMIM`, to what its target has.

    Raises:
        ValueError: If the area is unknown, mask and target do not tile one another, or the loss takes classes where
            the target has values, or the reverse.
    """

    def __init__(self,
                 patch_size: int,
                 loss: dict,
                 area: str = 'masked',
                 target_stride: int = 1,
                 num_classes: int | None = None) -> None:
        super().__init__()
        if area not in AREAS:
            raise ValueError(f'area {area!r} is none of {list(AREAS)}')
        require_number(patch_size=patch_size, target_stride=target_stride)
        if max(patch_size, target_stride) % min(patch_size, target_stride):
            raise ValueError(f'patch_size {patch_size} of the mask and the stride {target_stride} of the target must '
                             'divide one another')
        self.patch_size = patch_size
        self.area = area
        self.target_stride = target_stride
        self.num_classes = num_classes
        self.loss_module = MODELS.build(loss)
        self._require_loss_for_target()

    def _require_loss_for_target(self) -> None:
        given = 'values' if self.num_classes is None else 'classes'
        name = type(self.loss_module).__name__
        # A loss from elsewhere does not say what it takes.
        if getattr(self.loss_module, 'takes', given) != given:
            fitting = dict(values='PixelReconstructionLoss', classes='CrossEntropyReconstructionLoss')[given]
            raise ValueError(f'{name} of the head compares {self.loss_module.takes}, and the target has {given}: set '
                             f"head.loss.type='mmsimmim.{fitting}', or another target_generator")

    def loss(self, pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Loss on the area.

        Args:
            pred (Tensor): Prediction, shape (B, C, h, w).
            target (Tensor): Target, shape (B, C, h, w), or (B, G, h, w) for classes.
            mask (Tensor): Shape (B, H / patch_size, W / patch_size), 1 = masked, of images (B, _, H, W).

        Returns:
            Tensor: Scalar.

        Raises:
            ValueError: If prediction and target, or mask and target, do not cover the same pixels, or there are scores
                of another number of classes.
        """
        # On a GPU a class without a logit would end the process.
        if self.num_classes is not None and pred.shape[1] != target.shape[1] * self.num_classes:
            raise ValueError(f'the prediction has {pred.shape[1]} channels, and the target takes {self.num_classes} '
                             f'scores in {target.shape[1]} groups: out_channels of the neck must be their product')
        return self.loss_module(pred, target, self.weights(target, mask))

    def loss_in_parts(self, neck: nn.Module, latent: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """The loss of classes predicted by ``neck(latent)``, in bounded memory.

        Where there are more logits than the loss holds at a time, it is computed for a few images at a time,
        and recomputed in the backward pass. The value is that of :meth:`loss`, up to rounding. It compiles as one graph
        either way.

        Args:
            neck (nn.Module): Maps the latent to the prediction, each image by itself.
            latent (Tensor): Shape (B, C', h', w').
            target (Tensor): As in :meth:`loss`.
            mask (Tensor): As in :meth:`loss`.

        Returns:
            Tensor: Scalar.
        """
        images = self.images_at_a_time(target)
        if images >= len(target):
            return self.loss(neck(latent), target, mask)

        def part(latent: Tensor, target: Tensor, mask: Tensor) -> Tensor:
            # Each part is divided by its own number of masked pixels; in the end it must be that of all.
            loss = self.loss(neck(latent), target, mask)
            return loss * self._divisor(target, mask, loss.dtype)

        parts = zip(latent.split(images), target.split(images), mask.split(images))
        summed = sum(checkpoint(part, *tensors, use_reentrant=False) for tensors in parts)
        return summed / self._divisor(target, mask, summed.dtype)

    def _divisor(self, target: Tensor, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """The divisor of the summed loss, without the channels."""
        return self.weights(target, mask).to(dtype).sum() + EPSILON

    def images_at_a_time(self, target: Tensor) -> int:
        """How many images of the target (B, G, h, w) may be predicted at once, at least one."""
        limit = getattr(self.loss_module, 'scores_at_a_time', None)
        if self.num_classes is None or limit is None:
            return len(target)
        return max(1, limit // (target[0].numel() * self.num_classes))

    def weights(self, target: Tensor, mask: Tensor) -> Tensor:
        """The weight of each position: its masked fraction.

        Args:
            target (Tensor): Shape (B, C, h, w).
            mask (Tensor): Shape (B, H / patch_size, W / patch_size), 1 = masked.

        Returns:
            Tensor: float32 (float64 if the target is), shape (B, 1, h, w).

        Raises:
            ValueError: If mask and target do not cover the same pixels.
        """
        covered = tuple(side * self.patch_size for side in mask.shape[1:])
        image = tuple(side * self.target_stride for side in target.shape[2:])
        if covered != image:
            raise ValueError(f'the mask covers {covered} pixels, the image has {image}: patch_size of the head '
                             f'({self.patch_size}) must be that of the backbone')
        dtype = torch.float64 if target.dtype == torch.float64 else torch.float32
        mask = mask.unsqueeze(1).to(dtype)
        if self.area == 'whole':
            mask = torch.ones_like(mask)
        if self.target_stride <= self.patch_size:
            repeat = self.patch_size // self.target_stride
            return mask.repeat_interleave(repeat, 2).repeat_interleave(repeat, 3)
        return F.avg_pool2d(mask, self.target_stride // self.patch_size)
