"""Images and time, where the speed of the first steps is known."""

import math

from ..errors import UserError

# Validation, checkpoints and pictures take some of the time.
SHARE_OF_TRAINING = 0.9


def images_in(hours: float, images_per_second: float, start_seconds: float = 0.) -> int:
    """How many images can be trained on.

    Args:
        hours (float): Of the whole run; a tenth of them is left to validation and checkpoints.
        images_per_second (float): Of training, of all devices together, as measured after the first few steps.
        start_seconds (float): What of the time passes before the first step. Defaults to 0.

    Returns:
        int: At least 1, also where there is no time for it.

    Raises:
        UserError: A number is not above 0.
    """
    for name, value in (('hours', hours), ('images_per_second', images_per_second)):
        if not (math.isfinite(value) and value > 0):
            raise UserError(f'{name} must be a number above 0, got {value!r}.')
    return max(1, int((hours * 3600 - start_seconds) * SHARE_OF_TRAINING * images_per_second))


def seconds_for(images: int, images_per_second: float) -> float:
    """How long the whole run takes with so many images to train on; the inverse of :func:`images_in`."""
    return images / images_per_second / SHARE_OF_TRAINING
