"""From images as people have them to the input of a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import UserError

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
# The official evaluation scales the shorter side to 256 pixels for a crop of 224.
SCALE = 256 / 224


class Preprocess:
    """Scale, crop and normalise images as a model expects them.

    Args:
        model (nn.Module): Whose device and type of numbers the result has.
        size (tuple[int, int], optional): Height and width of the result, pixels. None: images keep their size.
        mean (Sequence[float], optional): Of the channels, for images of 0 to 255. None, like ``std``: not known.
        std (Sequence[float], optional): Likewise.
        bgr (bool): Whether the model sees blue, green, red. Images are given as red, green, blue either way.
        in_channels (int): Channels of the images.
        source (str): Where ``mean`` and ``std`` are from.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int] | None, mean: Sequence[float] | None,
                 std: Sequence[float] | None, bgr: bool, in_channels: int, source: str) -> None:
        self.model, self.size, self.mean, self.std = model, size, mean, std
        self.bgr, self.in_channels, self.source = bgr, in_channels, source

    def __repr__(self) -> str:
        order = 'BGR' if self.bgr else 'RGB'
        return (f'Preprocess(size={self.size}, mean={self.mean}, std={self.std}, {order} of 0 to 255; mean and std: '
                f'{self.source})')

    def __call__(self, images: Any, resize: bool = True) -> Tensor:
        """Prepare one image or several.

        Args:
            images (Any): A PIL image; an array (H, W, C) or (H, W); a tensor (C, H, W) or (B, C, H, W); or a list of
                these. Red, green, blue; uint8, or floating point from 0 to 1.
            resize (bool): Scale the shorter side to 256/224 of the size (bicubic, antialiased) and cut out the middle,
                as the official evaluation. False, and where the model takes any size: images stay as they are.
                Defaults to True.

        Returns:
            Tensor: Shape (B, C, H, W), normalised, on the model's device and in its type of numbers.

        Raises:
            UserError: If an image is of no such kind, or mean and deviation are not known.
        """
        if self.mean is None or self.std is None:
            raise UserError(f'Mean and deviation of images with {self.in_channels} channels are not known: load the '
                            'model with mean=[...] and std=[...], for values from 0 to 255.')
        batch = images if isinstance(images, (list, tuple)) else [images]
        tensors = [one for image in batch for one in self._tensors(image)]
        if resize and self.size is not None:
            tensors = [self._scale_and_crop(one) for one in tensors]
        shapes = {tuple(one.shape) for one in tensors}
        if len(shapes) != 1:
            raise UserError(f'Images of one batch must have one size, got {sorted(shapes)}. Leave resize=True, or give '
                            'them one at a time.')
        like = next(self.model.parameters())
        # float32 at first: 16 bits hold no sums
        stacked = torch.stack(tensors).to(like.device).to(torch.promote_types(like.dtype, torch.float32))
        mean, std = (torch.tensor(value, device=like.device, dtype=stacked.dtype).view(-1, 1, 1)
                     for value in (self.mean, self.std))
        stacked = stacked.flip(1) if self.bgr and stacked.shape[1] == 3 else stacked
        return ((stacked - mean) / std).to(like.dtype)

    def _tensors(self, image: Any) -> list[Tensor]:
        """Images as floating point (C, H, W) of 0 to 255; a batch becomes its images."""
        if isinstance(image, Tensor):
            tensor = image
        else:
            if hasattr(image, 'convert'):  # a PIL image, which may have a palette or an alpha channel
                image = image.convert('RGB') if self.in_channels == 3 else image
            array = np.asarray(image)
            if array.dtype == object or array.ndim not in (2, 3):
                raise UserError(f'{type(image).__name__} is no image. Give a PIL image, an array (H, W, C), a tensor '
                                '(C, H, W) or (B, C, H, W), or a list of these.')
            array = np.repeat(array[..., None], self.in_channels, axis=-1) if array.ndim == 2 else array
            tensor = torch.from_numpy(np.array(array)).permute(2, 0, 1)
        if tensor.ndim not in (3, 4) or tensor.shape[-3] != self.in_channels:
            raise UserError(f'An image of shape {tuple(tensor.shape)} does not fit: the model takes '
                            f'{self.in_channels} channels, tensors as (C, H, W) or (B, C, H, W), arrays as (H, W, C).')
        tensor = self._to_255(tensor)
        return list(tensor) if tensor.ndim == 4 else [tensor]

    @staticmethod
    def _to_255(tensor: Tensor) -> Tensor:
        if tensor.dtype == torch.uint8:
            return tensor.float()
        if not tensor.is_floating_point():
            raise UserError(f'Images of {tensor.dtype} have no known range. Give uint8, or floating point from 0 to 1.')
        tensor = tensor if tensor.dtype == torch.float64 else tensor.float()
        if tensor.numel() and not (tensor.min() >= 0 and tensor.max() <= 1):
            raise UserError(f'A floating-point image has values from {tensor.min():g} to {tensor.max():g}; they must '
                            'lie between 0 and 1. Give uint8 for 0 to 255; what is normalised goes into the model as '
                            'it is.')
        return 255 * tensor

    def _scale_and_crop(self, image: Tensor) -> Tensor:
        height, width = self.size
        scale = max(int(SCALE * height) / image.shape[1], int(SCALE * width) / image.shape[2])
        # the small addition: 110 / 200 * 200 is not to become 109
        scaled = [max(side, int(given * scale + 1e-6)) for side, given in zip(self.size, image.shape[1:])]
        image = F.interpolate(image[None], scaled, mode='bicubic', antialias=True, align_corners=False)[0]
        top, left = round((scaled[0] - height) / 2), round((scaled[1] - width) / 2)
        return image[:, top:top + height, left:left + width].clamp(0, 255)
