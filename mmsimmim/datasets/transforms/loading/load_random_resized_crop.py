"""Reading only as much of an image as a random crop needs."""

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ....registry import TRANSFORMS
from ...keyed_random import CROP, KeyedRandom
from ...seeding import key_of
from ..masks.mask_generator import is_number, is_whole, require
from .image_bytes import MAX_PIXELS, ImageBytes, UnreadableImage, reason_of
from .jpeg import REDUCTIONS, Box, decode, to_stored, to_upright, turn_upright
from .load_image import LoadImage

TRIES = 10  # as torchvision


@TRANSFORMS.register_module()
class LoadRandomResizedCrop(LoadImage):
    """Read a random resized crop of an image, perhaps flipped: the whole augmentation of SimMIM.

    The crop is drawn as by ``RandomResizedCrop`` of torchvision and mmpretrain. It is resized with Pillow's antialiased
    bilinear filter (PyTorch's kernel for 8 bits, within 0.05 of 255 on average).

    Large JPEG files are decoded at 1/2, 1/4 or 1/8 of their size where the crop still has ``margin`` times the wanted
    height and width then. Its box is moved to whole pixels of the smaller image, by 7 of the file's pixels at most.
    With the default margin of 2 the result differs from that of the same box decoded in full by 0.6 to 1.0 of 255 on
    average over photographs and aerial images, by less than 1.5 for each single image; margins of 1.5 and 1 give 0.9
    to 1.4 and 1.8 to 3.3. Images below four times the wanted size, such as most of ImageNet, are decoded in full.

    What is drawn is a function of the key that :class:`SeededSampler` sends along with the index (the run's seed, the
    epoch, the index), with or without :class:`SeedSample`. Transforms that follow and draw by themselves do need
    ``SeedSample`` before them.

    **Required Keys:** ``img_path``, ``img_bytes`` or ``img``, see :class:`LoadImage`; ``sample_idx`` (SampleIndex)

    **Added Keys:** ``img`` (np.ndarray, (H, W, 3), uint8, blue, green, red), ``img_shape`` ((H, W)), ``ori_shape``,
    ``crop_box`` (top, left, height, width in pixels of the upright image), ``flip`` (bool), ``flip_direction``
    ('horizontal' or None)

    Args:
        scale (int | tuple[int, int]): Size of the result, pixels: one side, or (width, height) as everywhere in MMCV.
        crop_ratio_range (tuple[float, float]): Share of the area, drawn uniformly. Defaults to (0.67, 1.0).
        aspect_ratio_range (tuple[float, float]): Width / height of the box, drawn log-uniformly.
            Defaults to (3 / 4, 4 / 3).
        flip_prob (float): Probability of a horizontal flip. Defaults to 0.
        margin (float, optional): See above; at least 1. None: always decode in full. Defaults to 2.
        max_value (float, optional): See :class:`LoadImage`. Defaults to None.
        max_pixels (int, optional): See :class:`LoadImage`. Defaults to 67,108,864.

    Raises:
        ValueError: If an argument is wrong.

    Examples:
        >>> index = SampleIndex(0, key=(0, 0, 0))
        >>> LoadRandomResizedCrop(scale=96)(dict(img_path='demo.png', sample_idx=index))['img'].shape
        (96, 96, 3)
    """

    def __init__(self,
                 scale: int | tuple[int, int],
                 crop_ratio_range: tuple[float, float] = (0.67, 1.0),
                 aspect_ratio_range: tuple[float, float] = (3 / 4, 4 / 3),
                 flip_prob: float = 0.0,
                 margin: float | None = 2.0,
                 max_value: float | None = None,
                 max_pixels: int | None = MAX_PIXELS) -> None:
        super().__init__(max_value, max_pixels)
        self.scale = (scale, scale) if is_whole(scale) else scale
        self.crop_ratio_range = tuple(crop_ratio_range)
        self.aspect_ratio_range = tuple(aspect_ratio_range)
        self.flip_prob = flip_prob
        self.margin = margin
        self._check()

    def _check(self) -> None:
        sides = self.scale
        require(isinstance(sides, (tuple, list)) and len(sides) == 2 and all(map(is_whole, sides)) and min(sides) > 0,
                'scale', sides, 'a positive integer or two, (width, height), in pixels')
        for name in ('crop_ratio_range', 'aspect_ratio_range'):
            ends = getattr(self, name)
            require(len(ends) == 2 and all(map(is_number, ends)) and 0 < ends[0] <= ends[1], name, ends,
                    'two positive numbers, the lower one first')
        require(is_number(self.flip_prob) and 0 <= self.flip_prob <= 1, 'flip_prob', self.flip_prob,
                'a number in [0, 1]')
        require(self.margin is None or is_number(self.margin) and self.margin >= 1, 'margin', self.margin,
                'None or a number, at least 1')

    def transform(self, results: dict) -> dict:
        """Add the image to the results.

        Args:
            results (dict): With ``img_path``, ``img_bytes`` or ``img``, and ``sample_idx``.

        Returns:
            dict: With the added keys.

        Raises:
            UnreadableImage: The file is missing, cut off, broken or not an image; or the array is no image.
            TypeError: The index carries no key, because the sampler is another one.
        """
        random = KeyedRandom(CROP, key_of(results, type(self).__name__))
        try:
            crop, box, shape = self._read(results, random)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise nearly every type there is on a broken file.
            raise UnreadableImage(reason_of(error)) from error
        image = resize(crop, *self.scale[::-1])
        flip = random.uniform() < self.flip_prob
        results.update(
            img=cv2.flip(image, 1) if flip else image, img_shape=image.shape[:2], ori_shape=shape, crop_box=box,
            flip=flip, flip_direction='horizontal' if flip else None)
        return results

    def _read(self, results: dict, random: KeyedRandom) -> tuple[np.ndarray, Box, tuple[int, int]]:
        """The pixels of a box, the box, and the shape of the whole."""
        if 'img' in results:
            return self._draw_part(self.given_image(results), random)
        file = ImageBytes(results)
        if file.is_within(self.max_pixels):
            box = self.draw_box(random, *file.header.shape)
            crop, box = self._read_part(file, box)
            if crop is not None:
                return crop, box, file.header.shape
        return self._draw_part(self.decode(file), random)

    def _draw_part(self, image: np.ndarray, random: KeyedRandom) -> tuple[np.ndarray, Box, tuple[int, int]]:
        box = self.draw_box(random, *image.shape[:2])
        return crop_box(image, box), box, image.shape[:2]

    def _read_part(self, file: ImageBytes, box: Box) -> tuple[np.ndarray | None, Box]:
        """The pixels of a box of a JPEG file, decoded as small as may be, and the box that they fill exactly."""
        reduction = self._reduction(box)
        stored = tuple(side - side % reduction for side in to_stored(box, file.header))
        image = decode(file.data, reduction)
        if image is None:
            return None, box
        crop = crop_box(image, tuple(side // reduction for side in stored))
        return turn_upright(crop, file.header.orientation), to_upright(stored, file.header)

    def draw_box(self, random: KeyedRandom, height: int, width: int) -> Box:
        """A box as torchvision's ``RandomResizedCrop.get_params`` draws it.

        Args:
            random (KeyedRandom): Source of randomness.
            height (int): Of the image.
            width (int): Of the image.

        Returns:
            Box: Top, left, height, width, pixels.
        """
        lowest, highest = map(math.log, self.aspect_ratio_range)
        for _ in range(TRIES):
            area = height * width * random.uniform(*self.crop_ratio_range)
            aspect = math.exp(random.uniform(lowest, highest))
            rows, cols = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
            if 0 < rows <= height and 0 < cols <= width:
                return random.integer(height - rows + 1), random.integer(width - cols + 1), rows, cols
        cols = min(width, round(height * self.aspect_ratio_range[1]))
        rows = min(height, round(width / self.aspect_ratio_range[0]))
        return (height - rows) // 2, (width - cols) // 2, rows, cols

    def _reduction(self, box: Box) -> int:
        """How much smaller the image may be decoded: 1, 2, 4 or 8."""
        if self.margin is None:
            return 1
        width, height = self.scale
        room = min(box[2] / height, box[3] / width) / self.margin
        return max(reduction for reduction in REDUCTIONS if reduction == 1 or reduction <= room)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(scale={self.scale}, crop_ratio_range={self.crop_ratio_range}, '
                f'aspect_ratio_range={self.aspect_ratio_range}, flip_prob={self.flip_prob}, margin={self.margin}, '
                f'max_value={self.max_value}, max_pixels={self.max_pixels})')


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale with Pillow's antialiased bilinear filter.

    Args:
        image (np.ndarray): uint8, (H, W, 3); strides may be anything.
        height (int): Wanted height, pixels.
        width (int): Wanted width, pixels.

    Returns:
        np.ndarray: uint8, (height, width, 3), contiguous.
    """
    # The axis of the batch is made by reshaping: with the stride that indexing by None gives it PyTorch does not see
    # that channels come last, and takes 1.4 times as long.
    pixels = np.ascontiguousarray(image).reshape(1, *image.shape).transpose(0, 3, 1, 2)
    scaled = F.interpolate(torch.from_numpy(pixels), (height, width), mode='bilinear', antialias=True)
    return np.ascontiguousarray(scaled.numpy()[0].transpose(1, 2, 0))


def crop_box(image: np.ndarray, box: Box) -> np.ndarray:
    """A view of the pixels in a box."""
    top, left, rows, cols = box
    return image[top:top + rows, left:left + cols]
