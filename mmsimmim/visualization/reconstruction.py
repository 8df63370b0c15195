"""A model's reconstructions of a batch, and the sheet that shows them."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError
from ..evaluation.features import evaluation_mode
from ..models import SimMIM
from .panels import draw_row, make_tiles, stack_rows


@dataclass
class Reconstruction:
    """One image, what was hidden of it, and what the model made of it.

    Args:
        image (Tensor): Normalised image, shape (C, H, W).
        mask (Tensor): Shape (h, w), 1 = masked.
        reconstruction (Tensor): In the same normalised values, shape (C, H, W).
        loss (float): The pre-training loss of this image alone.
        name (str): Name of its file, or ''. Defaults to ''.
        area (str): Where that loss looks, ``'masked'`` or ``'whole'``. Defaults to ``'masked'``.
    """

    image: Tensor
    mask: Tensor
    reconstruction: Tensor
    loss: float
    name: str = ''
    area: str = 'masked'

    @property
    def measured(self) -> str:
        """The loss, and where it was measured."""
        return f'{"masked loss" if self.area == "masked" else "loss of the whole image"} {self.loss:.4f}'

    @property
    def note(self) -> str:
        """What there is to say below its row."""
        share = f'{self.mask.float().mean():.0%} masked'
        return '   '.join(part for part in (self.name, share, self.measured) if part)


@torch.no_grad()
def reconstruct(model: SimMIM, batch: dict) -> list[Reconstruction]:
    """Reconstruct a batch in evaluation mode; the mode of every module is afterwards what it was.

    Args:
        model (SimMIM): Not wrapped for distribution.
        batch (dict): What the data loader gives: ``inputs``, unnormalised, shape (B, C, H, W), and ``data_samples``
            with masks.

    Returns:
        list[Reconstruction]: One per image.
    """
    with evaluation_mode(model):
        data = model.data_preprocessor(batch, False)
        samples = model(data['inputs'], data['data_samples'], mode='predict')
    return [
        Reconstruction(image, sample.mask, sample.reconstruction, float(sample.reconstruction_loss),
                       os.path.basename(sample.get('img_path', '')), getattr(model.head, 'area', 'masked'))
        for image, sample in zip(data['inputs'], samples)
    ]


def draw_sheet(reconstructions: Sequence[Reconstruction],
               preprocessor: nn.Module,
               channels: Sequence[int] | None = None,
               min_side: int = 192) -> np.ndarray:
    """A row of panels for each reconstruction, with captions and a note.

    Args:
        reconstructions (Sequence[Reconstruction]): At least one; their sizes may differ.
        preprocessor (nn.Module): The data preprocessor of the model.
        channels (Sequence[int], optional): See :func:`to_display`. Defaults to None.
        min_side (int): See :func:`draw_row`. Defaults to 192.

    Returns:
        np.ndarray: RGB picture, uint8.
    """
    return stack_rows([
        draw_row(make_tiles(one.image, one.mask, one.reconstruction, preprocessor, channels), note=one.note,
                 min_side=min_side) for one in reconstructions
    ])


def require_pixel_model(model: nn.Module) -> SimMIM:
    """The model itself, if its predictions are colours.

    Raises:
        UserError: If it is no :class:`mmsimmim.SimMIM`, or no picture can be made of its predictions.
    """
    if not isinstance(model, SimMIM):
        raise UserError('Reconstructions can be drawn of mmsimmim.SimMIM only; this model is a '
                        f'{type(model).__module__}.{type(model).__name__}.')
    if not hasattr(model.target_generator, 'restore'):
        raise UserError(f'The model predicts {type(model.target_generator).__name__}, not the colours of the image, '
                        'so there is no picture to draw.')
    return model


@torch.no_grad()
def encoder_stride(model: SimMIM) -> int:
    """Pixels per side that one token of the encoder's last map stands for."""
    side = model.head.patch_size
    with evaluation_mode(model):
        parameter = next(model.parameters())
        prediction = model.reconstruct(
            parameter.new_zeros(1, model.backbone.in_channels, side, side), parameter.new_zeros(1, 1, 1))
    return prediction.shape[-1] * getattr(model.target_generator, 'stride', 1)


def side_multiple(model: SimMIM) -> int:
    """What both sides of an image, in pixels, must be a multiple of for the encoder and the target of a model."""
    # Of the targets, PatchNormalizedPixelTarget alone has patches that may be larger than a token of the last map.
    return math.lcm(encoder_stride(model), getattr(model.target_generator, 'patch_size', 1))
