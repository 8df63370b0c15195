"""Colours as targets, at the resolution of the image or a lower one."""

import torch.nn.functional as F
from torch import Tensor

from ...registry import MODELS
from .target import Target, require_divisible, require_stride


@MODELS.register_module()
class PixelTarget(Target):
    """The image itself, or its means over squares (paper section 3.4 and its study of prediction resolutions).

    Args:
        stride (int): Side of a square, pixels: of a 192 px image 1, 2, 4, 8, 16 and 32 make targets of 192, 96, 48,
            24, 12 and 6 px. Defaults to 1.

    Raises:
        ValueError: If the stride is no whole number above 0.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import PixelTarget
        >>> PixelTarget(stride=2)(torch.tensor([[[[0., 1.], [2., 3.]]]]))
        tensor([[[[1.5000]]]])
    """

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = require_stride(stride)

    def forward(self, images: Tensor) -> Tensor:
        """Average.

        Args:
            images (Tensor): Normalised images, shape (B, C, H, W).

        Returns:
            Tensor: Shape (B, C, H / stride, W / stride), same dtype.

        Raises:
            ValueError: If the stride does not divide the sides.
        """
        return area_mean(images, self.stride)

    def restore(self, prediction: Tensor, images: Tensor) -> Tensor:
        """A predicted target as an image of the size of ``images`` (B, C, H, W): each mean fills its square."""
        return enlarge(prediction, self.stride)


def area_mean(images: Tensor, stride: int) -> Tensor:
    """Means of images (B, C, H, W) over squares of ``stride`` pixels; ValueError if these do not tile the images."""
    if stride == 1:
        return images
    require_divisible(images, stride, 'stride')
    return F.avg_pool2d(images, stride)


def enlarge(values: Tensor, stride: int) -> Tensor:
    """Values (B, C, h, w) repeated over squares of ``stride`` pixels."""
    return values.repeat_interleave(stride, 2).repeat_interleave(stride, 3) if stride > 1 else values
