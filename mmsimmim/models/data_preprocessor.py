"""Moving a batch to the device and normalising it there."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import ImgDataPreprocessor

from ..registry import MODELS


@MODELS.register_module()
class SimMIMDataPreprocessor(ImgDataPreprocessor):
    """Move a batch to the device as it is, and reorder and normalise its channels there.

    The values are those of mmpretrain's ``SelfSupDataPreprocessor``, bit for bit. That one selects channels by a list
    of numbers, which PyTorch copies to the device at every step, with a synchronisation. Here the
    host never waits: images and masks of a pinned batch are copied asynchronously.

    Args:
        mean (Sequence[float], optional): Of each channel, after reordering, in the images' units. Defaults to None,
            like ``std``: no normalisation.
        std (Sequence[float], optional): Standard deviation likewise.
        bgr_to_rgb (bool): Whether to reverse the order of three channels. Defaults to False.
        rgb_to_bgr (bool): The same, by the other name. Defaults to False.
        non_blocking (bool): Whether copies to the device are asynchronous. Defaults to True.

    Raises:
        ValueError: If a deviation is not above 0.

    Examples:
        >>> preprocessor = SimMIMDataPreprocessor(mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True)
        >>> preprocessor(dict(inputs=torch.zeros(2, 3, 192, 192, dtype=torch.uint8)))['inputs'].unique()
        tensor([-1.])
    """

    def __init__(self,
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None,
                 bgr_to_rgb: bool = False,
                 rgb_to_bgr: bool = False,
                 non_blocking: bool = True) -> None:
        if std is not None and not all(0 < value < math.inf for value in std):
            raise ValueError(f'std must be above 0 and finite, got {std}')
        super().__init__(mean, std, bgr_to_rgb=bgr_to_rgb, rgb_to_bgr=rgb_to_bgr, non_blocking=non_blocking)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Preprocess a batch.

        Args:
            data (dict): ``inputs``, (B, C, H, W) in any byte order, or a list of (C, H, W); ``data_samples`` of any
                kind.
            training (bool): Not used.

        Returns:
            dict: ``inputs``, float32, (B, C, H, W), contiguous, and ``data_samples``, both on the device.
        """
        data = self.cast_data(data)
        images = data['inputs']
        images = images if torch.is_tensor(images) else torch.stack(tuple(images))
        if self._channel_conversion and images.shape[1] == 3:
            images = images.flip(1)
        images = images.to(torch.float32, memory_format=torch.contiguous_format)
        if self._enable_normalize:
            images = (images - self.mean).div_(self.std)
        return dict(inputs=images, data_samples=data.get('data_samples'))
