"""Settings of a whole SimMIM, told from its checkpoint."""

import math
from typing import Any

from torch import Tensor

from ...checkpoints import Contents
from ...checkpoints.sizes import CLASSES
from ...errors import UserError
from .notes import Notes
from .preprocess import IMAGENET_MEAN, IMAGENET_STD

DECODER = 'neck.decoder.0.weight'


def simmim_settings(contents: Contents, notes: Notes, ours: dict[str, Tensor],
                    backbone: dict[str, Any], target: dict[str, Any] | None) -> dict[str, Any]:
    """Find out the settings of the model that was pre-trained.

    Args:
        contents (Contents): What the parameters are.
        notes (Notes): What else the file says; of one of ours, all.
        ours (dict[str, Tensor]): The parameters under our names.
        backbone (dict[str, Any]): Arguments of the encoder.
        target (dict[str, Any], optional): Config of the target, if the caller says it.

    Returns:
        dict[str, Any]: Config of :class:`mmsimmim.SimMIM`.

    Raises:
        UserError: If the file has no decoder, or its target cannot be told.
    """
    encoder = dict(backbone, type=f'mmsimmim.{CLASSES[contents.encoder]}')
    mean, std = (notes.mean, notes.std) if notes.mean or contents.in_channels != 3 else (IMAGENET_MEAN, IMAGENET_STD)
    preprocessor = dict(type='mmsimmim.SimMIMDataPreprocessor', mean=mean, std=std, bgr_to_rgb=not notes.bgr)
    if notes.model:
        encoder = {**notes.model['backbone'], **encoder}
        encoder.pop('init_cfg', None)
        own = {**notes.model, 'backbone': encoder, 'data_preprocessor': preprocessor}
        return {**own, 'target_generator': target} if target else own
    if not (contents.mask_token and contents.decoder):
        raise UserError(f"it holds no SimMIM with its mask token and decoder, but {contents.title}. Load it with "
                        "kind='encoder'")
    target = target or notes.target_generator
    if contents.encoder == 'swin_v2' and target is None:
        raise UserError('whether this Swin V2 predicts pixels or normalised ones is not noted in the file. Give '
                        "target_generator=dict(type='mmsimmim.NormalizedPixelTarget', window_size=47), as in the "
                        "official recipe, or dict(type='mmsimmim.PixelTarget')")
    stride = _stride(ours, contents.in_channels or 3)
    return dict(
        type='mmsimmim.SimMIM', backbone=encoder, data_preprocessor=preprocessor,
        target_generator=target or dict(type='mmsimmim.PixelTarget'),
        neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=ours[DECODER].shape[1], encoder_stride=stride),
        head=dict(type='mmsimmim.SimMIMHead', patch_size=backbone['patch_size'],
                  loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')))


def _stride(ours: dict[str, Tensor], channels: int) -> int:
    outputs = ours[DECODER].shape[0]
    stride = math.isqrt(outputs // channels)
    if stride**2 * channels != outputs:
        raise UserError(f'the decoder has {outputs} outputs, which are no square of pixels with {channels} channels')
    return stride
