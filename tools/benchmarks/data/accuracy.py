"""The difference between the crops of a pipeline and those of Pillow, as in the official pipeline."""

from collections.abc import Sequence

import cv2
import mmcv
import numpy as np
from PIL import Image, ImageOps

from mmsimmim.datasets import LoadRandomResizedCrop
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.datasets.transforms.loading.image_bytes import open_image

Box = tuple[int, int, int, int]


def differences(files: Sequence[str], size: int) -> dict[str, float]:
    """Mean absolute difference to Pillow's antialiased crop, in levels of 0..255, by what makes the crop.

    Args:
        files (Sequence[str]): Images.
        size (int): Side of the crops, pixels.

    Returns:
        dict[str, float]: ``'ours'``, ``'pillow'`` (MMCV's by that name) and ``'cv2'`` (MMCV's, not antialiased).
    """
    ours = LoadRandomResizedCrop(size)
    found: dict[str, list[float]] = dict(ours=[], pillow=[], cv2=[])
    for i, file in enumerate(files):
        results = ours(dict(img_path=file, sample_idx=SampleIndex(i, key=(0, 0, i))))
        with open_image(file) as image:
            whole = ImageOps.exif_transpose(image).convert('RGB')
        box = results['crop_box']
        expected = _by_pillow(whole, box, size)
        bgr = np.asarray(whole)[..., ::-1]
        found['ours'].append(_difference(results['img'], expected))
        for backend in ('pillow', 'cv2'):
            found[backend].append(_difference(_by_mmcv(bgr, box, size, backend), expected))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _by_pillow(whole: Image.Image, box: Box, size: int) -> np.ndarray:
    top, left, rows, cols = box
    crop = whole.crop((left, top, left + cols, top + rows)).resize((size, size), Image.BILINEAR)
    return cv2.cvtColor(np.asarray(crop), cv2.COLOR_RGB2BGR)


def _by_mmcv(bgr: np.ndarray, box: Box, size: int, backend: str) -> np.ndarray:
    top, left, rows, cols = box
    crop = np.ascontiguousarray(bgr[top:top + rows, left:left + cols])
    return mmcv.imresize(crop, (size, size), interpolation='bilinear', backend=backend)


def _difference(image: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(image.astype(int) - expected).mean())
