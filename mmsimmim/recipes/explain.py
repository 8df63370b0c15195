"""A recipe in three lines, and what speaks against it."""

from collections.abc import Iterator
from typing import Any

from . import rule
from .batches import Machine
from .crops import READ_PIXELS, WIDE_ASPECT, ImageSizes
from .encoder import Encoder
from .recipe import Recipe

# For each image, between what was tried: with 9,000 the loss on other images still fell after 2,000 epochs; with
# 30,000 it was stuck by then.
MOST_PARAMETERS = 16_000
# Fewer masked patches a side than the smallest crop of the paper's ratios has.
FEWEST_PATCHES = 4
LONG_RUN = 72 * 3600


def reasons(recipe: Recipe, sizes: ImageSizes | None, encoder: Encoder, machine: Machine, given: dict[str, Any],
            limited: bool, **_: Any) -> tuple[str, str, str]:
    """What was chosen and why: images and masks, length and batch, rate."""
    return (_images_line(recipe, sizes), _length_line(recipe, machine, given, limited), _rate_line(recipe, given))


def _images_line(recipe: Recipe, sizes: ImageSizes | None) -> str:
    found = f' of about {sizes.short:.0f} x {sizes.long:.0f} px' if sizes else ''
    smallest, largest = recipe.crop_ratio_range
    return (f'{_many(recipe.num_images, "image")}{found}: crops of {recipe.img_size} px with {_percent(smallest)} to '
            f'{_percent(largest)} % of an image, {_percent(recipe.mask_ratio)} % of the {recipe.mask_patch_size} px '
            'patches masked.')


def _length_line(recipe: Recipe, machine: Machine, given: dict[str, Any], limited: bool) -> str:
    why = 'more epochs the fewer images there are'
    if given['hours'] is not None:
        why = f'{given["hours"]:g} h at {machine.images_per_second:.0f} images/s'
        why += ', less than the images are worth' if limited else ''
    elif given['epochs'] is not None or given['steps'] is not None:
        why = 'as asked for'
    parts = '' if recipe.accumulation == 1 else f' in {recipe.accumulation} parts'
    devices = '' if machine.devices == 1 else f' on {machine.devices} devices'
    time = '' if recipe.seconds is None else f', about {_duration(recipe.seconds)}'
    return (f'{_many(recipe.steps, "step")} of {_many(recipe.batch_size, "image")}{parts}{devices}, '
            f'{_epochs(recipe.epochs)} ({why}){time}.')


def _rate_line(recipe: Recipe, given: dict[str, Any]) -> str:
    fixed = (rule.RATE, rule.STEPS, rule.BATCH)
    if rule.is_short(recipe.steps, recipe.batch_size):
        fixed = (rule.SHORT_RATE, rule.SHORT_STEPS, rule.SHORT_BATCH)
    why = 'from {:g} of {:,} steps of {}, for this length, batch and width'.format(*fixed)
    why = 'as asked for' if given['lr'] else why
    curve = (f'cosine to {recipe.lr * recipe.min_ratio:.2g}' if recipe.schedule == 'cosine' else
             f'a tenth from step {recipe.milestone:,} on')
    return (f'Learning rate {recipe.lr:.2g} ({why}), {_many(recipe.warmup, "step")} of warm-up, then {curve}; '
            f'{recipe.precision}.')


def warnings(recipe: Recipe, **told: Any) -> tuple[str, ...]:
    """What speaks against a recipe, a sentence or two each."""
    return tuple([*_of_images(recipe, **told), *_of_sizes(recipe, **told), *_of_length(recipe, **told)])


def _of_images(recipe: Recipe, encoder: Encoder, pretrained: bool, **_: Any) -> Iterator[str]:
    if pretrained:
        return
    number = recipe.num_images
    if number < rule.FEWEST_IMAGES:
        yield (f'{_many(number, "image")}: 30 were too few to learn what holds for others, {rule.FEWEST_IMAGES} were '
               'enough. Add unlabelled images of the same kind, or begin from a pre-trained checkpoint.')
    if encoder.parameters > MOST_PARAMETERS * number:
        yield (f'The encoder has {encoder.parameters / 1e6:.1f} million weights, more than {MOST_PARAMETERS:,} for '
               'each image, and may learn them by heart. Choose a smaller one, or begin from a pre-trained checkpoint.')


def _of_sizes(recipe: Recipe, sizes: ImageSizes | None, encoder: Encoder, given: dict[str, Any],
              **_: Any) -> Iterator[str]:
    if recipe.img_size < FEWEST_PATCHES * recipe.mask_patch_size:
        yield (f'A crop of {recipe.img_size} px has fewer than {FEWEST_PATCHES} patches of {recipe.mask_patch_size} px '
               'a side to mask: too coarse to predict one from others.')
    if sizes is None:
        return
    if sizes.short < recipe.img_size:
        yield (f'Half of the images have {sizes.short:.0f} px or less on their shorter side and are enlarged '
               f'to {recipe.img_size} px, which adds nothing to see.')
    if sizes.small > 0.1:
        yield (f'{_percent(sizes.small)} % of the images are less than half as large as most: their crops are blurred. '
               'Leave them out if they are thumbnails.')
    if sizes.huge:
        yield (f'{_percent(sizes.huge)} % of the images have more than {READ_PIXELS:,} pixels and are not read: cut '
               'them into tiles, or set max_pixels of LoadRandomResizedCrop.')
    if sizes.aspect > WIDE_ASPECT:
        yield (f'The images are {sizes.aspect:.1f} times as long as wide: a crop has at most '
               f'{_percent(recipe.crop_ratio_range[1])} % of one. Tiles would show all of it.')
    object_size = given['object_size']
    if object_size is not None and object_size * recipe.img_size < encoder.patch_size * sizes.short:
        yield (f'Objects of {object_size:g} px are smaller than a token ({encoder.patch_size} px) where images are '
               f'shrunk to {recipe.img_size} px: cut the images into tiles, or set a larger img_size.')


def _of_length(recipe: Recipe, machine: Machine, limited: bool, **_: Any) -> Iterator[str]:
    if recipe.steps < rule.FEWEST_STEPS:
        what = 'the time is' if limited else 'this is'
        yield (f'{_many(recipe.steps, "step")}: {what} too short to change an encoder much; give it time for '
               f'{rule.FEWEST_STEPS} at least, a smaller encoder or smaller crops.')
    if recipe.batch_size < rule.SMALLEST_BATCH:
        yield f'A batch of {recipe.batch_size} is smaller than any that was tried: {rule.SMALLEST_BATCH} at least.'
    if recipe.seconds is not None and recipe.seconds > LONG_RUN and machine.on_cpu:
        yield (f'It takes {_duration(recipe.seconds)} on this machine. Give a time budget, a smaller encoder, or a '
               'GPU.')


def _many(number: int, what: str) -> str:
    return f'{number:,} {what}{"" if number == 1 else "s"}'


def _percent(share: float) -> str:
    return f'{float(f"{100 * share:.2g}"):g}'


def _epochs(number: float) -> str:
    return f'{number:,.0f} epochs' if number >= 10 else f'{number:.2g} epochs'


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return f'{max(1, round(seconds / 60))} min'
    return f'{seconds / 3600:.1f} h' if seconds < 48 * 3600 else f'{seconds / 86400:.1f} days'
