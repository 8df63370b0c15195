"""Colour bins as targets."""

from torch import Tensor

from ...registry import MODELS
from .pixel import area_mean, enlarge
from .target import Target, require_stride


@MODELS.register_module()
class ColourBinTarget(Target):
    """The bin that each channel of a pixel falls into, each channel by itself (paper section 3.4, channel-wise bins).

    All channels share the same bins of equal width, of the colours before normalisation, whatever
    mean, deviation and order of channels the data preprocessor has.

    Args:
        num_bins (int): How many bins for the 256 levels of a channel, from 2 to 256. Defaults to 8.
        stride (int): Side, pixels, of the squares over which colours are averaged. Defaults to 1.
        value_range (tuple[float, float]): Darkest and brightest value of the images before normalisation; what lies
            beyond falls into the outer bins. Defaults to (0, 255).

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import ColourBinTarget
        >>> ColourBinTarget(num_bins=8)(torch.tensor([0., 31., 32., 255.]).reshape(1, 1, 2, 2))
        tensor([[[[0, 0],
                  [1, 7]]]])
    """

    from_colours = True

    def __init__(self, num_bins: int = 8, stride: int = 1, value_range: tuple[float, float] = (0., 255.)) -> None:
        super().__init__()
        if not isinstance(num_bins, int) or not 2 <= num_bins <= 256:
            raise ValueError(f'num_bins must be an integer from 2 to 256, got {num_bins!r}')
        if len(value_range) != 2 or not value_range[0] < value_range[1]:
            raise ValueError(f'value_range must be two numbers, the darkest and the brightest, got {value_range}')
        self.num_classes = num_bins
        self.stride = require_stride(stride)
        self.value_range = tuple(value_range)

    def out_channels(self, in_channels: int) -> int:
        """A logit for each bin of each channel."""
        return in_channels * self.num_classes

    def forward(self, colours: Tensor) -> Tensor:
        """Find the bins.

        Args:
            colours (Tensor): Images before normalisation, shape (B, C, H, W).

        Returns:
            Tensor: int64, shape (B, C, H / stride, W / stride), from 0 to num_bins - 1: of the mean of the pixels'
            levels, each of them and their mean rounded to one of 256.

        Raises:
            ValueError: If the stride does not divide the sides.
        """
        low, high = self.value_range
        # Integer levels, so that rounding errors of normalising and denormalising change no bin.
        levels = ((colours - low) / (high - low) * 255).round().clamp(0, 255)
        return area_mean(levels, self.stride).round().long() * self.num_classes // 256

    def restore(self, prediction: Tensor, colours: Tensor) -> Tensor:
        """The centre of the likeliest bin of each channel, as an image.

        Args:
            prediction (Tensor): Logits, shape (B, C * num_bins, H / stride, W / stride).
            colours (Tensor): Images before normalisation, shape (B, C, H, W).

        Returns:
            Tensor: Shape (B, C, H, W), dtype of ``colours``.
        """
        bins = prediction.unflatten(1, (-1, self.num_classes)).argmax(2)
        low, high = self.value_range
        levels = ((bins + 0.5) * (256 / self.num_classes) - 0.5).to(colours.dtype)
        return enlarge(low + levels / 255 * (high - low), self.stride)
