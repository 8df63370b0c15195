"""Crops and masks that fit the images: side, share of an image, masked patches."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import UserError
from .encoder import Encoder

# The paper's: crops of 67 to 100 % of an image and of 3/4 to 4/3 its height, patches of 32 of 192 px and of 224 px. At
# 64 px a quarter of the side did better than an eighth.
SMALLEST_CROP = 0.67
WIDEST_CROP = 4 / 3
PATCH_SHARE = 1 / 7
# Of microscopy with small objects, crops from a fifth of an image on did better.
SMALLEST_CROP_OF_SMALL_OBJECTS = 0.2
MASK_RATIO = 0.6
# Between small patches what is masked can be copied from near by, unless most are masked.
SMALL_PATCH_SHARE = 1 / 15
MASK_RATIO_OF_SMALL_PATCHES = 0.8
# Of LoadImage, whose module imports PyTorch.
READ_PIXELS = 2**26
# Images are shrunk by no more than this; larger ones are cropped to smaller shares.
MOST_SHRUNK = 4
# From here on no crop of two thirds of an image has an aspect that is drawn.
WIDE_ASPECT = 1.8


@dataclass(frozen=True)
class ImageSizes:
    """Sizes of a folder's images, as far as crops depend on them.

    Args:
        short (float): Median of the shorter sides, pixels.
        long (float): Median of the longer ones.
        small (float): Share of the images whose shorter side is less than half the median.
        huge (float): Share of the images with more pixels than are read.
    """

    short: float
    long: float
    small: float = 0.0
    huge: float = 0.0

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]]) -> 'ImageSizes':
        """Summarise (height, width) of images, of all or of a sample.

        Raises:
            UserError: There are none, or one has no pixels.
        """
        sizes = [(int(height), int(width)) for height, width in sizes]
        if not sizes or any(min(size) < 1 for size in sizes):
            raise UserError('image_sizes: give (height, width) of one image at least, each side 1 pixel or more.')
        shorts = [min(size) for size in sizes]
        short = statistics.median(shorts)
        return cls(short, statistics.median(max(size) for size in sizes),
                   sum(side < short / 2 for side in shorts) / len(sizes),
                   sum(height * width > READ_PIXELS for height, width in sizes) / len(sizes))

    @property
    def aspect(self) -> float:
        """Longer over shorter side."""
        return self.long / self.short


def choose_side(sizes: ImageSizes | None, encoder: Encoder) -> int:
    """The largest side of crops that the images fill, up to the encoder's default.

    Returns:
        int: Pixels, a multiple of 32 and of the encoder's stride.
    """
    unit = math.lcm(32, encoder.stride)
    default = encoder.default_side // unit * unit or unit
    return default if sizes is None else max(unit, min(default, int(sizes.short) // unit * unit))


def choose_mask_patch(img_size: int, encoder: Encoder, object_size: float | None = None) -> int:
    """The side of a masked patch: a seventh of the crop or the next that can be, or an object where that is smaller.

    Args:
        img_size (int): Side of a crop, pixels.
        encoder (Encoder): Its tokens are masked whole.
        object_size (float, optional): Side of what is to be recognised, pixels of a crop. Defaults to None: large.

    Returns:
        int: Pixels: the smallest multiple of a token that divides the crop and is no smaller than that.
    """
    wanted = img_size * PATCH_SHARE
    if object_size is not None:
        wanted = min(wanted, object_size)
    patches = [*_patches(img_size, encoder)]
    return next((patch for patch in patches if patch >= wanted), patches[-1])


def choose_mask_ratio(img_size: int, mask_patch_size: int) -> float:
    """The paper's 60 %, or for small patches 80 %."""
    return MASK_RATIO_OF_SMALL_PATCHES if mask_patch_size < img_size * SMALL_PATCH_SHARE else MASK_RATIO


def _patches(img_size: int, encoder: Encoder) -> Iterator[int]:
    token = encoder.patch_size
    # Two patches a side at least: one would mask all or nothing.
    yield from (side for side in range(token, img_size // 2 + 1, token) if img_size % side == 0)


def choose_crop_range(sizes: ImageSizes | None, img_size: int,
                      object_size: float | None = None) -> tuple[float, float]:
    """The share of an image's area that a crop has.

    The paper's 67 to 100 %, except for images of which such a crop would be shrunk to less than a quarter of its
    side, or could not have the aspect of a crop, or in which objects would be smaller than a masked patch.

    Args:
        sizes (ImageSizes, optional): Of the images; None as photographs.
        img_size (int): Side of a crop, pixels.
        object_size (float, optional): Side of what is to be recognised, pixels of the images.

    Returns:
        tuple[float, float]: Smallest and largest.
    """
    if sizes is None:
        return SMALLEST_CROP, 1.0
    largest = min(1.0, WIDEST_CROP / sizes.aspect) if sizes.aspect > WIDE_ASPECT else 1.0
    shrunk = math.sqrt(sizes.short * sizes.long * largest * SMALLEST_CROP) / img_size
    smallest = SMALLEST_CROP * largest * min(1.0, MOST_SHRUNK / shrunk)**2
    if object_size is not None:
        enough = (object_size / PATCH_SHARE / sizes.short)**2
        smallest = min(smallest, max(SMALLEST_CROP_OF_SMALL_OBJECTS * largest, enough))
    # Of large images the largest crop is twice as wide as the smallest, so that scales vary no further.
    largest = min(largest, 4 * smallest) if shrunk > MOST_SHRUNK else largest
    return _rounded(smallest), _rounded(largest)


def _rounded(share: float) -> float:
    """To two digits, never to nothing."""
    return float(f'{share:.2g}')
