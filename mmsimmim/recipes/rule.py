"""The rule: images to see, and from these the batch, the steps and the rate. Derived in ``docs/recipe.md``.

Everything is relative to the paper's 100 epochs of ImageNet-1K: 62,500 steps of 2048 images, each seen 100 times, with
a peak rate of 8e-4. Its other published length, 800 epochs, has half the rate, which is the cube root of eight.
"""

# ImageNet-1K's training images, and the steps, batch and rate of 100 epochs of them.
IMAGES, STEPS, BATCH, RATE = 1_281_167, 62_500, 2048, 8e-4
EPOCHS = 100
# A folder of a tenth of the images is seen in about 1.6 times as many epochs.
SEEN_BY_IMAGES = 0.8
# Of twice the images to see, half a step's more go into the batch, and the rest into steps.
BATCH_BY_SEEN = 0.65
RATE_BY_STEPS = -1 / 3
RATE_BY_BATCH = 1 / 2
HIGHEST_RATE = 4e-3
# A batch is no smaller, not even of few images.
SMALLEST_BATCH = 16
# What a time budget may stretch a run to: the paper's 800 epochs beside its 100.
LONGEST = 8
# Warm-up of both published lengths: a tenth of the shorter one.
WARMUP_SHARE, LONGEST_WARMUP = 0.1, 6_250
WARMUP_RATIO, MIN_RATIO = 1e-6 / 2e-4, 1e-5 / 2e-4
# From halfway (by the logarithm) between the published lengths on the rate falls in one step, at 7/8.
STEP_SCHEDULE_FROM, MILESTONE = 180_000, 7 / 8
WEIGHT_DECAY, CLIP_GRAD = 0.05, 5.0
# Fewer steps hardly change an encoder.
FEWEST_STEPS = 300
# Fewer images are worth a warning.
FEWEST_IMAGES = 100


def images_to_see(num_images: int) -> float:
    """Crops to train on: 100 epochs of ImageNet-1K, and more epochs of fewer images."""
    return EPOCHS * IMAGES * (num_images / IMAGES)**SEEN_BY_IMAGES


def batch_for(seen: float, smallest: int = SMALLEST_BATCH) -> int:
    """Images of a step, from the images to see; 4, 5, 6 or 7 times a power of two."""
    share = seen / (EPOCHS * IMAGES)
    return round_down(max(smallest, min(BATCH, BATCH * share**BATCH_BY_SEEN)))


def round_down(batch: float) -> int:
    """To 4, 5, 6 or 7 times a power of two; small numbers to whole ones."""
    unit = 2**max(0, int(batch).bit_length() - 3)
    return max(1, int(batch) // unit * unit)


def steps_for(seen: float, batch: int) -> int:
    """Steps of a batch, from the images to see, at least one.

    The paper's epoch is 625 steps of 2048, as the images that do not fill a batch are left out. So 100 times 1,281,167
    images are 62,500 steps.
    """
    return max(1, int(STEPS * (seen / (EPOCHS * IMAGES)) * (BATCH / batch) + 1e-6))


def seen_in(steps: int, batch: int | None, smallest: int = SMALLEST_BATCH) -> float:
    """Images to see in a number of steps; of which batch the rule says where none is given."""
    if batch is not None:
        return EPOCHS * IMAGES * steps / STEPS * batch / BATCH
    share = (steps / STEPS)**(1 / (1 - BATCH_BY_SEEN))
    return max(EPOCHS * IMAGES * min(share, steps / STEPS), EPOCHS * IMAGES * steps / STEPS * smallest / BATCH)


def rate_for(steps: int, batch: int) -> float:
    """Peak learning rate: with the square root of the batch, against the cube root of the steps."""
    rate = RATE * (steps / STEPS)**RATE_BY_STEPS * (batch / BATCH)**RATE_BY_BATCH
    return min(rate, HIGHEST_RATE)


def warmup_for(steps: int) -> int:
    """Steps of warm-up."""
    return min(LONGEST_WARMUP, round(steps * WARMUP_SHARE))
