"""What was given for a recipe, refused where it is out of range or does not go together."""

import math
from numbers import Real
from typing import Any

from ..errors import UserError
from .encoder import Encoder
from .whole import is_whole

WHOLE = ('steps', 'batch_size', 'img_size', 'mask_patch_size')


def check_given(num_images: int, given: dict[str, Any]) -> dict[str, Any]:
    """Refuse numbers that are out of range, and lengths that exclude each other.

    Args:
        num_images (int): Training images.
        given (dict[str, Any]): By the names of the arguments; None for what was not given.

    Returns:
        dict[str, Any]: The same as numbers of Python.

    Raises:
        UserError: Names what is wrong.
    """
    if not is_whole(num_images):
        raise UserError(f'A recipe needs at least one training image, got num_images={num_images!r}.')
    for name, value in given.items():
        if value is not None and name in WHOLE and not is_whole(value):
            raise UserError(f'{name} must be a whole number from 1 on, got {value!r}.')
        if value is not None and not (_is_number(value) and math.isfinite(value) and value > 0):
            raise UserError(f'{name} must be a number above 0, got {value!r}.')
    if given['mask_ratio'] is not None and given['mask_ratio'] >= 1:
        raise UserError(f'mask_ratio must lie between 0 and 1, got {given["mask_ratio"]!r}.')
    lengths = [name for name in ('hours', 'epochs', 'steps') if given[name] is not None]
    if len(lengths) > 1:
        raise UserError(f'{" and ".join(lengths)} both say how long to train: give one of them.')
    return {name: value.item() if hasattr(value, 'item') else value for name, value in given.items()}


def check_speed(hours: float | None, images_per_second: float | None) -> None:
    """Refuse a time budget for an unknown speed."""
    if hours is not None and images_per_second is None:
        raise UserError('hours needs images_per_second: measure it in the first steps, and choose again.')


def check_mask(img_size: int, mask_patch_size: int, encoder: Encoder) -> None:
    """Refuse crops that are not whole tokens, and masked patches that do not divide them into whole tokens."""
    if img_size % encoder.stride:
        raise UserError(f'img_size must be a multiple of {encoder.stride}, a token of the last stage; got {img_size}.')
    if mask_patch_size % encoder.patch_size or img_size % mask_patch_size:
        raise UserError(f'mask_patch_size must be a multiple of {encoder.patch_size}, a token of the encoder, and '
                        f'divide img_size={img_size}; got {mask_patch_size}.')
    if mask_patch_size == img_size:
        raise UserError(f'mask_patch_size must be smaller than img_size={img_size}, or all is masked or nothing.')


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
