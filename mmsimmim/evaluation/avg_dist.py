"""AvgDist: how far masked pixels are from what the model sees."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..registry import METRICS


def average_distance(mask: np.ndarray | Tensor, model_patch_size: int = 1) -> float | np.ndarray:
    """Mean distance of masked pixels to the nearest visible pixel (SimMIM, section 4.1, "AvgDist").

    Distances are Euclidean, from centre to centre of pixels, so a masked pixel beside a visible one counts 1. The paper
    reports the best fine-tuning accuracy for a mean between 10 and 20 pixels, for images of 192 pixels.

    Args:
        mask (np.ndarray | Tensor): Shape (h, w), or (B, h, w) for a batch; any dtype and device, 0 = visible.
        model_patch_size (int): Side of what one value of the mask covers, pixels. Defaults to 1.

    Returns:
        float | np.ndarray: In pixels; for a batch float64, shape (B, ). 0 where nothing is masked, NaN where nothing is
        visible, as there is no distance then.

    Raises:
        ValueError: If the mask has another number of dimensions or no values, or the patch size is not positive.
    """
    masked = mask.bool().cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask) != 0
    if masked.ndim not in (2, 3) or 0 in masked.shape[-2:]:
        raise ValueError(f'mask must have the shape (h, w) or (B, h, w), none of h and w 0; got {masked.shape}')
    if model_patch_size < 1:
        raise ValueError(f'model_patch_size must be at least 1 pixel, got {model_patch_size}')
    if masked.ndim == 2:
        return _average_distance(masked, model_patch_size)
    return np.array([_average_distance(one, model_patch_size) for one in masked], dtype=np.float64)


def _average_distance(masked: np.ndarray, side: int) -> float:
    from scipy.ndimage import distance_transform_edt  # Takes half a second, which others need not wait for.
    if not masked.any():
        return 0.0
    if masked.all():
        return math.nan
    pixels = masked.repeat(side, axis=0).repeat(side, axis=1)
    return float(distance_transform_edt(pixels)[pixels].mean())


@METRICS.register_module()
class AvgDist(BaseMetric):
    """Mean over images of :func:`average_distance` of their masks, reported in pixels as ``masking/avg_dist``.

    It is a property of the masks alone, to be logged beside what a model reaches with them. NaN if an image has no
    visible pixel.

    Args:
        collect_device (str): Where the results of several processes meet, ``'cpu'`` or ``'gpu'``. Defaults to 'cpu'.

    Examples:
        >>> val_evaluator = [dict(type='mmsimmim.ReconstructionLoss'), dict(type='mmsimmim.AvgDist')]
    """

    default_prefix = 'masking'

    def __init__(self, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the distance of each image of a batch.

        Args:
            data_batch (dict): With ``inputs``, the images: a tensor (B, C, H, W) or tensors (C, H, W). Their size tells
                how many pixels a value of a mask covers.
            data_samples (Sequence[dict]): Each with its ``mask``, shape (h, w), 1 = masked.

        Raises:
            ValueError: If a sample has no mask, or its mask does not divide the image into squares.
        """
        for image, sample in zip(data_batch['inputs'], data_samples):
            if 'mask' not in sample:
                raise ValueError('AvgDist needs a mask with every image: put a mask generator such as '
                                 'mmsimmim.SimMIMMaskGenerator before PackInputs in the validation pipeline')
            self.results.append(average_distance(sample['mask'], _patch_size(image, sample['mask'])))

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """Average."""
        return dict(avg_dist=sum(results) / len(results))


def _patch_size(image: Tensor, mask: Any) -> int:
    (height, width), (rows, cols) = image.shape[-2:], mask.shape
    side = height // rows
    if (rows * side, cols * side) != (height, width):
        raise ValueError(f'AvgDist: a mask of {rows} x {cols} does not divide an image of {height} x {width} pixels '
                         'into squares')
    return side
