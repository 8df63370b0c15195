"""The rule: images to see, and from these the batch, the steps and the rate. Derived in ``docs/recipe.md``.

Everything is relative to the paper's 100 epochs of ImageNet-1K: 62,500 steps of 2048 images, each seen 100 times, with
a peak rate of 8e-4. Its other published length, 800 epochs, has half the rate, which is the cube root of eight.
"""

import math

# ImageNet-1K's training images, and the epochs, steps, batch and rate of the paper's shorter run.
IMAGES, EPOCHS, STEPS, BATCH, RATE = 1_281_167, 100, 62_500, 2048, 8e-4
SEEN = EPOCHS * IMAGES
# Of a quarter of the images each is seen twice as often, up to what 100 photographs, and small encoders in the study of
# data scaling, still gained by.
EPOCHS_BY_IMAGES, MOST_EPOCHS = -1 / 2, 2_000
# What a time budget may stretch a run to: the paper's 800 epochs beside its 100, and what smaller encoders of the study
# still gained by.
LONGEST, LONGEST_EPOCHS = 8, 4_000
# Of more images to see this power goes into the batch, the rest into steps.
BATCH_BY_SEEN = 0.75
# A batch is no smaller, not even of few images: a core is no faster with more, and rates fall below it.
SMALLEST_BATCH = 32
# A machine that has room for larger batches takes them as long as so many steps are left.
ENOUGH_STEPS = 5_000
# That of both published lengths. Of as many images in larger batches this makes the cube root of the batch.
RATE_BY_STEPS = -1 / 3
# Of an encoder half as wide the best rate was 1.3 times as high.
RATE_BY_NARROWNESS = 1 / 2
# Of 600 steps of 32 images, of an encoder as wide as the published ones. At a quarter of the rate of the lowest loss on
# photographs features are as good, and microscopy, which may get stuck from half of it on, learns. That of shorter runs
# and smaller batches is lower, with the square root of the steps and with the batch.
SHORT_STEPS, SHORT_BATCH, SHORT_RATE = 600, 32, 2.5e-4
# Of an encoder as wide as the published ones; for narrower ones as many times as high.
HIGHEST_RATE = 1e-3
# Warm-up of both published lengths: a tenth of the shorter one.
WARMUP_SHARE, LONGEST_WARMUP = 0.1, 6_250
WARMUP_RATIO, MIN_RATIO = 1e-6 / 2e-4, 1e-5 / 2e-4
# From halfway (by the logarithm) between the published lengths on the rate falls in one step, at 7/8.
STEP_SCHEDULE_FROM, MILESTONE = 180_000, 7 / 8
WEIGHT_DECAY, CLIP_GRAD = 0.05, 5.0
# After 150 steps features were no better than untrained ones, whatever the rate; after 600 they were.
FEWEST_STEPS = 500
# So many were enough for an encoder of a million weights, and 30 were not.
FEWEST_IMAGES = 100


def images_to_see(num_images: int) -> float:
    """Crops to train on: 100 epochs of ImageNet-1K, and more epochs of fewer images."""
    return num_images * min(MOST_EPOCHS, EPOCHS * (num_images / IMAGES)**EPOCHS_BY_IMAGES)


def most_to_see(num_images: int) -> float:
    """Crops that are worth the time, if there is as much."""
    return min(LONGEST * images_to_see(num_images), max(LONGEST_EPOCHS * num_images, images_to_see(num_images)))


def batch_for(seen: float, busy: int = SMALLEST_BATCH) -> int:
    """Images of a step, from the images to see; 4, 5, 6 or 7 times a power of two.

    Args:
        seen (float): Images to see.
        busy (int): Images of a step that keep the machine busy: no fewer, as long as enough steps are left.
    """
    least = max(SMALLEST_BATCH, min(busy, seen / ENOUGH_STEPS))
    return round_down(max(least, min(BATCH, BATCH * (seen / SEEN)**BATCH_BY_SEEN)))


def round_down(batch: float) -> int:
    """To 4, 5, 6 or 7 times a power of two; small numbers to whole ones."""
    unit = 2**max(0, int(batch).bit_length() - 3)
    return max(1, int(batch) // unit * unit)


def steps_for(seen: float, batch: int) -> int:
    """Steps of a batch, from the images to see, at least one.

    The paper's epoch is 625 steps of 2048, as the images that do not fill a batch are left out. So 100 times 1,281,167
    images are 62,500 steps.
    """
    return max(1, int(STEPS * (seen / SEEN) * (BATCH / batch) + 1e-6))


def seen_in(steps: int, batch: int | None) -> float:
    """Images to see in a number of steps; of which batch the rule says where none is given."""
    share = steps / STEPS
    if batch is not None:
        return SEEN * share * batch / BATCH
    return SEEN * max(min(share**(1 / (1 - BATCH_BY_SEEN)), share), share * SMALLEST_BATCH / BATCH)


def rate_for(steps: int, batch: int, narrowness: float = 1.0) -> float:
    """Peak learning rate.

    Long runs: the published one, with a power of the steps. Short runs: what was found for them, where it is less. More
    of both for encoders that are narrower than the published ones.

    Args:
        steps (int): Of the run.
        batch (int): Images of a step.
        narrowness (float): See :attr:`Encoder.narrowness`. Defaults to 1, that of the published encoders.
    """
    rate = min(_long_rate(steps), _short_rate(steps, batch))
    return min(rate * narrowness**RATE_BY_NARROWNESS, HIGHEST_RATE * narrowness)


def is_short(steps: int, batch: int) -> bool:
    """Whether the rate is that of a short run."""
    return _short_rate(steps, batch) < _long_rate(steps)


def _long_rate(steps: int) -> float:
    return RATE * (steps / STEPS)**RATE_BY_STEPS


def _short_rate(steps: int, batch: int) -> float:
    return SHORT_RATE * math.sqrt(steps / SHORT_STEPS) * batch / SHORT_BATCH


def warmup_for(steps: int) -> int:
    """Steps of warm-up."""
    return min(LONGEST_WARMUP, round(steps * WARMUP_SHARE))
