"""Reading any image as a model wants it, with a mask, without crops."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.structures import BaseDataElement

from ..errors import UserError
from ..registry import TRANSFORMS


class PictureLoader:
    """Whole images of any size, masked as in a training config.

    An image is read by the pipeline's own loading transforms (those whose names begin with ``Load``; whole where they
    read a crop) and masked by the config's mask generator, which is built anew for the size of the image. It is scaled
    so that its shorter side is that of pre-training, both sides rounded to what the mask and the encoder can divide.

    Args:
        cfg (dict): A config with a mask generator in ``train_dataloader`` or ``val_dataloader``: in a pipeline, however
            deep, or in ``collate_fn``.
        encoder_stride (int): Pixels per side of a token of the encoder's last map.
        size (tuple[int, int], optional): (H, W) to scale all images to instead. Defaults to None.
        mask_ratio (float, optional): In place of the config's. Defaults to None.
        mask_patch_size (int, optional): In place of the config's. Defaults to None.
        seed (int): Gives the n-th image the same mask always. Defaults to 0.

    Raises:
        UserError: If the config has no mask generator of this package, or sizes do not fit.
    """

    def __init__(self,
                 cfg: dict,
                 encoder_stride: int,
                 size: tuple[int, int] | None = None,
                 mask_ratio: float | None = None,
                 mask_patch_size: int | None = None,
                 seed: int = 0) -> None:
        trained, pipeline = find_masking(cfg)
        trained.pop('seed', None)
        changes = dict(mask_ratio=mask_ratio, mask_patch_size=mask_patch_size)
        self.mask_cfg = {**trained, **{key: value for key, value in changes.items() if value is not None}}
        self.loaders = [_build(_whole(step)) for step in pipeline if _class_name(step).startswith('Load')]
        generator = _build(trained)
        if not hasattr(generator, 'draw'):
            raise UserError(f"The mask generator {trained['type']!r} cannot mask images of any size: use "
                            "mmsimmim.SimMIMMaskGenerator, which takes the arguments of mmpretrain's, or "
                            'mmsimmim.BlockwiseMaskGenerator in place of BEiTMaskGenerator.')
        self.shorter_side = min(generator.input_size)
        self.multiple = math.lcm(mask_patch_size or generator.mask_patch_size, encoder_stride)
        self.size = size
        self.seed = seed
        self._check()

    def _check(self) -> None:
        if self.size is not None and (min(self.size) < 1 or any(side % self.multiple for side in self.size)):
            raise UserError(f'The size {self.size[0]} x {self.size[1]} (height x width) must be a multiple of '
                            f'{self.multiple} both ways, the least that masked patches and encoder divide.')
        self._draw_mask(self.multiple, self.multiple, index=0)  # complains about a ratio or patch that cannot be

    def __call__(self, path: str, index: int = 0) -> dict:
        """Read and mask an image.

        Args:
            path (str): Its file.
            index (int): Its number, from which with the seed the mask is drawn. Defaults to 0.

        Returns:
            dict: ``inputs``, the unnormalised image, shape (1, C, H, W), and ``data_samples``, one sample with its
            ``mask``, shape (h, w): a batch of one for a data preprocessor.

        Raises:
            UserError: If the image cannot be read.
        """
        image = self._read(path)
        height, width = self.size or self._round(*image.shape[:2])
        inputs = torch.from_numpy(resize(image, height, width)).permute(2, 0, 1)[None]
        sample = BaseDataElement(mask=torch.from_numpy(self._draw_mask(height, width, index)))
        sample.set_metainfo(dict(img_path=str(path)))
        return dict(inputs=inputs.contiguous(), data_samples=[sample])

    def _read(self, path: str) -> np.ndarray:
        results = dict(img_path=str(path), sample_idx=0)
        try:
            for loader in self.loaders:
                results = loader(results)
            image = results['img']
        except Exception as error:  # Decoders raise nearly every type there is on a broken file.
            raise UserError(f'Cannot read the image {path}: {error or type(error).__name__}') from error
        return image[..., None] if image.ndim == 2 else image

    def _round(self, height: int, width: int) -> tuple[int, int]:
        scale = self.shorter_side / min(height, width)
        return tuple(max(1, round(side * scale / self.multiple)) * self.multiple for side in (height, width))

    def _draw_mask(self, height: int, width: int, index: int) -> np.ndarray:
        generator = _build({**self.mask_cfg, 'input_size': (height, width)})
        return generator.draw(np.random.RandomState([self.seed, index]))


def find_masking(cfg: dict) -> tuple[dict, list[dict]]:
    """The mask generator of the training data, or else of the validation data, and the pipeline that reads its images.

    Args:
        cfg (dict): A config.

    Returns:
        tuple[dict, list[dict]]: Configs of the generator and of the pipeline's transforms.

    Raises:
        UserError: If there is none.
    """
    for name in ('train_dataloader', 'val_dataloader'):
        loader = cfg.get(name) or {}
        collate = loader.get('collate_fn')
        of_batch = collate.get('mask') if isinstance(collate, dict) else None
        for pipeline in _pipelines(loader):
            mask = of_batch or next((step for step in pipeline if _class_name(step).endswith('MaskGenerator')), None)
            if mask:
                return dict(mask), pipeline
    raise UserError('No mask generator in the pipelines and collate_fn of train_dataloader and val_dataloader: these '
                    'are needed to read and mask images as in training.')


def _whole(step: dict) -> dict:
    """A loading transform that reads whole images."""
    if _class_name(step) != 'LoadRandomResizedCrop':
        return step
    return dict(type='mmsimmim.LoadImage', **{key: step[key] for key in ('max_value', 'max_pixels') if key in step})


def _pipelines(node: Any) -> Iterator[list[dict]]:
    """All pipelines at or below a part of a config."""
    if isinstance(node, dict):
        if 'pipeline' in node:
            yield node['pipeline']
        for value in node.values():
            yield from _pipelines(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _pipelines(value)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale with the antialiased bilinear filter of the training crops, whatever the number of channels.

    Args:
        image (np.ndarray): Shape (H, W, C), integers of at most 16 bits or floating point.
        height (int): Wanted height.
        width (int): Wanted width.

    Returns:
        np.ndarray: Shape (height, width, C), the same dtype.
    """
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    values = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    values = F.interpolate(values, (height, width), mode='bilinear', antialias=True)[0].permute(1, 2, 0).numpy()
    return (values.round() if np.issubdtype(image.dtype, np.integer) else values).astype(image.dtype)


def _class_name(cfg: Any) -> str:
    kind = cfg.get('type', '') if isinstance(cfg, dict) else ''
    return kind.rsplit('.', 1)[-1] if isinstance(kind, str) else kind.__name__


def _build(cfg: dict) -> Any:
    try:
        return TRANSFORMS.build(cfg)
    except (TypeError, ValueError) as error:
        raise UserError(f"{cfg['type']}: {error}") from error
