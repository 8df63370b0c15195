"""Colours relative to their surroundings as targets."""

from abc import abstractmethod

import torch
from torch import Tensor

from ...registry import MODELS
from .target import Target, require_divisible


class RelativePixelTarget(Target):
    """Base of the targets that are colours minus a mean, divided by a deviation, both of :meth:`statistics`."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalise.

        Args:
            images (Tensor): Normalised images, shape (B, C, H, W).

        Returns:
            Tensor: Same shape, float32 (float64 if the images are); without gradient.

        Raises:
            ValueError: If patches of the target do not tile the images.
        """
        images = images.detach()
        mean, deviation = self.statistics(images)
        return ((images - mean) / deviation).to(_precise(images))

    def restore(self, prediction: Tensor, images: Tensor) -> Tensor:
        """Convert a predicted target to colours, with the mean and deviation of the original images.

        For visualisation: mean and deviation are those of the whole image, of which the model saw only a part.

        Args:
            prediction (Tensor): Shape (B, C, H, W).
            images (Tensor): The normalised images, same shape.

        Returns:
            Tensor: Same shape, in the colours of ``images``, dtype as :meth:`forward`.
        """
        mean, deviation = self.statistics(images.detach())
        return (prediction * deviation + mean).to(_precise(images))

    @abstractmethod
    def statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation for each pixel of images (B, C, H, W): float64, that shape or (B, 1, H, W)."""


@MODELS.register_module()
class NormalizedPixelTarget(RelativePixelTarget):
    """Pixels relative to the mean and the deviation of their neighbourhood.

    The target of the official Swin Transformer V2 pre-training (``norm_targets`` in ``models/simmim.py`` of
    microsoft/Swin-Transformer, with 47 pixels): each pixel and channel is normalised by a window around it, clipped at
    the border of the image, so that the model learns structure and not the local tone. Masked pixels count, too.

    Args:
        window_size (int): Side of the window, pixels; odd. Defaults to 47.

    Raises:
        ValueError: If the window has no middle, or is a single pixel.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import NormalizedPixelTarget
        >>> target = NormalizedPixelTarget(window_size=3)
        >>> target(torch.tensor([[[[0., 0., 0.], [0., 9., 0.], [0., 0., 0.]]]]))[0, 0, 1, 1]
        tensor(2.6667)
    """

    def __init__(self, window_size: int = 47) -> None:
        super().__init__()
        if window_size < 3 or window_size % 2 == 0:
            raise ValueError(f'window_size {window_size} must be odd and at least 3: the pixel is in the middle, and a '
                             'deviation needs more than one')
        self.window_size = window_size

    def statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and unbiased standard deviation (never below 1e-3) around each pixel, float64, shape of ``images``."""
        # in float32 the cancellation error of the moments would be as large as the variance of a clear sky
        images = images.double()
        rows, cols = (self._averages(size, images.device) for size in images.shape[2:])
        mean = rows @ images @ cols.T
        variance = rows @ images.square() @ cols.T - mean.square()
        count = 1 / (rows.amax(1)[:, None] * cols.amax(1))
        unbiased = (variance * count / (count - 1)).clamp(min=0)
        return mean, (unbiased + 1e-6).sqrt()

    def _averages(self, size: int, device: torch.device) -> Tensor:
        """Matrix (size, size) that averages over the window of each position on one side, float64."""
        position = torch.arange(size, device=device)
        inside = (position[:, None] - position).abs() <= self.window_size // 2
        return inside / inside.sum(1, keepdim=True, dtype=torch.float64)


@MODELS.register_module()
class PatchNormalizedPixelTarget(RelativePixelTarget):
    """Pixels relative to the mean and the deviation of their patch.

    The target of `MAE <https://arxiv.org/abs/2111.06377>`_ (``norm_pix_loss`` in its ``models_mae.py``): all values of
    a patch, over all channels, are normalised to mean 0 and variance 1.

    Args:
        patch_size (int): Side of a patch, pixels. Defaults to 32, the paper's masked patch.

    Raises:
        ValueError: If the patch is no whole number of pixels, or a single one.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import PatchNormalizedPixelTarget
        >>> PatchNormalizedPixelTarget(patch_size=2)(torch.tensor([[[[1., 3.], [3., 1.]]]]))
        tensor([[[[-0.8660,  0.8660],
                  [ 0.8660, -0.8660]]]])
    """

    def __init__(self, patch_size: int = 32) -> None:
        super().__init__()
        if not isinstance(patch_size, int) or patch_size < 2:
            raise ValueError(f'patch_size must be an integer of at least 2, in pixels, got {patch_size!r}: a deviation '
                             'needs more than one')
        self.patch_size = patch_size

    def statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and unbiased standard deviation (never below 1e-3) of the patch of each pixel, float64, (B, 1, H, W)."""
        size = self.patch_size
        require_divisible(images, size, 'patch_size')
        patches = images.double().unflatten(3, (-1, size)).unflatten(2, (-1, size))
        variance, mean = torch.var_mean(patches, dim=(1, 3, 5))
        return tuple(statistic.repeat_interleave(size, 1).repeat_interleave(size, 2).unsqueeze(1)
                     for statistic in (mean, (variance + 1e-6).sqrt()))


def _precise(images: Tensor) -> torch.dtype:
    return torch.promote_types(images.dtype, torch.float32)
