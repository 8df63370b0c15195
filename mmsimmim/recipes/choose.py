"""The recipe for a folder of images."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from . import rule
from .batches import Machine
from .checks import check_given, check_mask, check_speed
from .crops import ImageSizes, choose_crop_range, choose_mask_patch, choose_mask_ratio, choose_side
from .encoder import Encoder
from .explain import reasons, warnings
from .precision import fast_precision
from .recipe import Recipe
from .speed import images_in, seconds_for


class Length(NamedTuple):
    """How long a run is, and in what batches.

    Attributes:
        steps (int): Of the optimizer.
        device_batch (int): Images of an iteration of each device.
        accumulation (int): Iterations of a step.
        batch (int): Images of a step.
        limited (bool): Whether there is no time for as many images as the rule has.
    """

    steps: int
    device_batch: int
    accumulation: int
    batch: int
    limited: bool


def choose_recipe(num_images: int,
                  image_sizes: Sequence[tuple[int, int]] | None = None,
                  encoder: Encoder | None = None,
                  machine: Machine | None = None,
                  *,
                  hours: float | None = None,
                  epochs: float | None = None,
                  steps: int | None = None,
                  batch_size: int | None = None,
                  lr: float | None = None,
                  img_size: int | None = None,
                  mask_patch_size: int | None = None,
                  mask_ratio: float | None = None,
                  object_size: float | None = None,
                  pretrained: bool = False) -> Recipe:
    """Choose a recipe for images, encoder, machine and time; what is given stays as it is, and the rest follows it.

    A pure function. For a time budget first choose without one, measure how many images a second the first steps train
    on, and choose again.

    Args:
        num_images (int): Training images, without those held out.
        image_sizes (Sequence[tuple[int, int]], optional): (height, width) of all of them or of a sample, pixels.
            Defaults to None: as photographs.
        encoder (Encoder, optional): Defaults to None: Swin-T.
        machine (Machine, optional): Defaults to None: a CPU with one core.
        hours (float, optional): For the whole run, validation included; needs ``machine.images_per_second``. Defaults
            to None: as long as the images are worth. A run has at most eight times that length.
        epochs (float, optional): How often to see each image. Not with ``hours`` or ``steps``.
        steps (int, optional): Steps of the optimizer. Not with ``hours`` or ``epochs``.
        batch_size (int, optional): Images of a step, of all devices and accumulated iterations.
        lr (float, optional): Peak learning rate.
        img_size (int, optional): Side of a crop, pixels.
        mask_patch_size (int, optional): Side of a masked patch, pixels.
        mask_ratio (float, optional): Share of the patches that is masked.
        object_size (float, optional): Side of what is to be recognised, in pixels of the images. Defaults to None:
            as large as in photographs.
        pretrained (bool): Whether the encoder begins from a checkpoint, for which few images are enough. Defaults to
            False.

    Returns:
        Recipe: With what was chosen and why in three lines, and warnings.

    Raises:
        UserError: There is no image, or what was given is out of range or does not go together.

    Examples:
        >>> recipe = choose_recipe(1_281_167, encoder=Encoder.of('swin', 'base'), epochs=100)
        >>> recipe.batch_size, recipe.steps, recipe.lr
        (2048, 62500, 0.0008)
    """
    encoder, machine = encoder or Encoder.of('swin', 'tiny'), machine or Machine()
    given = check_given(num_images, dict(
        hours=hours, epochs=epochs, steps=steps, batch_size=batch_size, lr=lr, img_size=img_size,
        mask_patch_size=mask_patch_size, mask_ratio=mask_ratio, object_size=object_size))
    check_speed(hours, machine.images_per_second)
    sizes = ImageSizes.of(image_sizes) if image_sizes is not None else None
    length = _length(int(num_images), machine, given)
    lr = given['lr'] or rule.rate_for(length.steps, length.batch, encoder.narrowness)
    speed = machine.images_per_second
    seconds = machine.start_seconds + seconds_for(length.steps * length.batch, speed) if speed else None
    recipe = Recipe(
        num_images=int(num_images), **_images(sizes, encoder, given), batch_size=length.batch,
        device_batch=length.device_batch, accumulation=length.accumulation, steps=length.steps, lr=lr,
        **_schedule(length.steps), weight_decay=rule.WEIGHT_DECAY, clip_grad=rule.CLIP_GRAD,
        drop_path_rate=encoder.drop_path_rate, precision=machine.precision or fast_precision(machine.on_cpu),
        seconds=seconds and float(seconds), reasons=('', '', ''),
        warnings=())
    told = dict(sizes=sizes, encoder=encoder, machine=machine, given=given, limited=length.limited,
                pretrained=pretrained)
    return replace(recipe, reasons=reasons(recipe, **told), warnings=warnings(recipe, **told))


def _images(sizes: ImageSizes | None, encoder: Encoder, given: dict[str, Any]) -> dict[str, Any]:
    """Side of the crops, their share of an image, window and masks."""
    side = given['img_size'] or choose_side(sizes, encoder)
    crops = choose_crop_range(sizes, side, given['object_size'])
    in_crop = None
    if given['object_size'] is not None:
        shown = sizes.short * math.sqrt(sum(crops) / 2) if sizes else side
        in_crop = given['object_size'] * side / shown
    patch = given['mask_patch_size'] or choose_mask_patch(side, encoder, in_crop)
    check_mask(side, patch, encoder)
    return dict(img_size=side, window_size=encoder.window_size(side), mask_patch_size=patch,
                mask_ratio=given['mask_ratio'] or choose_mask_ratio(side, patch), crop_ratio_range=crops)


def _length(num_images: int, machine: Machine, given: dict[str, Any]) -> Length:
    """Batch and steps for as many images as are to be seen, or as there is time for."""
    seen, limited = rule.images_to_see(num_images), False
    if given['epochs'] is not None:
        seen = given['epochs'] * num_images
    if given['hours'] is not None:
        time_for = images_in(given['hours'], machine.images_per_second, machine.start_seconds)
        seen, limited = min(rule.most_to_see(num_images), time_for), time_for < seen
    if given['steps'] is not None:
        seen = rule.seen_in(given['steps'], given['batch_size'])
    wanted = given['batch_size'] or rule.batch_for(seen, machine.busy_batch)
    device_batch, accumulation = machine.deal_out(wanted)
    batch = device_batch * accumulation * machine.devices
    return Length(given['steps'] or rule.steps_for(seen, batch), device_batch, accumulation, batch, limited)


def _schedule(steps: int) -> dict[str, Any]:
    """The paper's: a cosine, or in the longest runs a single step; the same warm-up before both."""
    long = steps >= rule.STEP_SCHEDULE_FROM
    return dict(schedule='step' if long else 'cosine', milestone=int(steps * rule.MILESTONE) if long else None,
                warmup=rule.warmup_for(steps), warmup_ratio=rule.WARMUP_RATIO, min_ratio=rule.MIN_RATIO)
