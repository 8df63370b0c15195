"""Colours of normalised images: the inverse of a data preprocessor, and back."""

import torch
from torch import Tensor, nn


def is_rgb(preprocessor: nn.Module) -> bool:
    """Whether three channels reach the model as red, green, blue.

    OpenMMLab's pipelines load BGR, so they do if the preprocessor reverses the channels.

    Args:
        preprocessor (nn.Module): A data preprocessor of mmpretrain or MMEngine.

    Returns:
        bool: False for BGR, the order of loading.
    """
    # mmpretrain's preprocessors say it in one of these two places.
    return bool(getattr(preprocessor, '_channel_conversion', False) or getattr(preprocessor, 'to_rgb', False))


def denormalise(images: Tensor, preprocessor: nn.Module) -> Tensor:
    """The values before normalisation, 0..255 for 8-bit images, in the channel order of the model.

    Args:
        images (Tensor): Normalised images, shape (..., C, H, W), floating point.
        preprocessor (nn.Module): The data preprocessor that normalised them; one without mean and deviation changed
            nothing.

    Returns:
        Tensor: Same shape, float32 (float64 if the images are).
    """
    images = images.to(torch.promote_types(images.dtype, torch.float32))
    if not hasattr(preprocessor, 'mean'):
        return images
    return images * preprocessor.std.to(images) + preprocessor.mean.to(images)


def normalise(colours: Tensor, preprocessor: nn.Module) -> Tensor:
    """The inverse of :func:`denormalise`, same shapes."""
    if not hasattr(preprocessor, 'mean'):
        return colours
    return (colours - preprocessor.mean.to(colours)) / preprocessor.std.to(colours)


def to_rgb(images: Tensor, preprocessor: nn.Module) -> Tensor:
    """Normalised images as red, green and blue from 0 to 255.

    Args:
        images (Tensor): Normalised images, shape (B, C, H, W), floating point.
        preprocessor (nn.Module): The data preprocessor that normalised them.

    Returns:
        Tensor: Shape (B, C, H, W), float32 (float64 if the images are); without gradient. Channels keep their order
        where there are not three of them.
    """
    return _to_rgb_order(denormalise(images.detach(), preprocessor), preprocessor)


def from_rgb(colours: Tensor, preprocessor: nn.Module) -> Tensor:
    """The inverse of :func:`to_rgb`, same shapes."""
    return normalise(_to_rgb_order(colours, preprocessor), preprocessor)


def _to_rgb_order(images: Tensor, preprocessor: nn.Module) -> Tensor:
    return images if images.shape[1] != 3 or is_rgb(preprocessor) else images.flip(1)
