"""Reading a complete image file, or an error with the reason."""

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from ....registry import TRANSFORMS
from .all_pixels import load_all_pixels
from .image_bytes import MAX_PIXELS, ImageBytes, UnreadableImage, open_image, pillow_limit, reason_of
from .jpeg import decode, turn_upright
from .losses import Losses

__all__ = ['LoadImage', 'UnreadableImage']


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read an image as BGR of 8 bits, as OpenMMLab's pipelines expect.

    An image that is in the results already, as the inferencers of OpenMMLab put it there, takes the place of a file.

    A truncated file of any format is reported, where other readers fill in grey, also if it ends as if it were whole or
    its header claims more pixels than there are. The rotation written in the EXIF data is applied. Greyscale, palette
    and CMYK images are converted to RGB; an alpha channel is dropped. Whole JPEG files of 8 bits in one or three
    components are decoded by OpenCV, which takes less time for the same pixels; Pillow decodes all else.

    More than 8 bits: colour images keep the upper 8 bits of each channel. Single-channel images of 16 or 32 bits and
    of floating point are scaled so that ``max_value`` becomes 255, and clipped to 0..255. Where that leaves less than
    5 % of the range, or pages and transparency are dropped, a warning says so once for each folder.

    **Required Keys:** ``img_path``; or ``img_bytes`` (bytes, the content of a file), which is read in its place; or
    ``img`` (np.ndarray, (H, W, 3) or (H, W, 4), uint8, blue, green, red; or (H, W), grey), which comes before both

    **Added Keys:** ``img`` (np.ndarray, (H, W, 3), uint8), ``img_shape``, ``ori_shape`` ((H, W))

    Args:
        max_value (float, optional): The brightest value of single-channel images with more than 8 bits: 4095 for a
            12-bit camera, 1 for floats in [0, 1]. Defaults to None: 65535 for integers; floats count as unreadable.
        max_pixels (int, optional): Images with more pixels (height x width) count as unreadable: a small file can
            unfold to more than the memory holds. Set a larger number for large images from a source that you trust,
            such as aerial mosaics. None: Pillow's limit, about 179 million. Defaults to 67,108,864 (8192 x 8192),
            which take a worker up to a gigabyte.

    Examples:
        >>> LoadImage()(dict(img_path='demo.png'))['img'].shape
        (192, 192, 3)
    """

    def __init__(self, max_value: float | None = None, max_pixels: int | None = MAX_PIXELS) -> None:
        name = type(self).__name__
        if max_value is not None and not max_value > 0:
            raise ValueError(f'{name}: max_value must be above 0, got {max_value}.')
        if max_pixels is not None and not (isinstance(max_pixels, int) and max_pixels > 0):
            raise ValueError(f'{name}: max_pixels must be an integer above 0 or None, got {max_pixels!r}.')
        self.max_value = max_value
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict:
        """Add the image to the results.

        Args:
            results (dict): With ``img_path``, ``img_bytes`` or ``img``.

        Returns:
            dict: With the added keys.

        Raises:
            UnreadableImage: The file is missing, cut off, broken or not an image; or the array is no image.
        """
        try:
            image = self.given_image(results) if 'img' in results else self.decode(ImageBytes(results))
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise nearly every type of exception for broken files.
            raise UnreadableImage(reason_of(error)) from error
        results['img'] = np.ascontiguousarray(image)
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def given_image(self, results: dict) -> np.ndarray:
        """The image that is in the results already: uint8, (H, W, 3), blue, green, red; perhaps not contiguous."""
        image = results['img']
        shape, kind = getattr(image, 'shape', ()), getattr(image, 'dtype', type(image).__name__)
        if len(shape) == 3 and shape[2] in (3, 4) and kind == np.uint8:
            return image[..., :3]
        if isinstance(image, np.ndarray) and (len(shape) == 2 or len(shape) == 3 and shape[2] == 1):
            return self._to_rgb(Image.fromarray(image.reshape(shape[:2])))
        raise ValueError(f'img must be an array of uint8 and of shape (H, W, 3), in the order blue, green, red, or of '
                         f'shape (H, W); got {kind} of shape {tuple(shape)}')

    def decode(self, file: ImageBytes) -> np.ndarray:
        """All pixels of an image, upright: uint8, (H, W, 3), blue, green, red; perhaps not contiguous."""
        if file.is_within(self.max_pixels):
            image = decode(file.data)
            if image is not None:
                return turn_upright(image, file.header.orientation)
        source = file.source()
        with pillow_limit(self.max_pixels), open_image(source) as image:
            self._check_size(*image.size)
            losses = Losses(image, file.path)
            load_all_pixels(image, source, file.data)
            pixels = self._to_rgb(ImageOps.exif_transpose(image))
            losses.warn(image, pixels, self.max_value)
            return pixels[..., ::-1]

    def _check_size(self, width: int, height: int) -> None:
        if self.max_pixels is not None and width * height > self.max_pixels:
            name = type(self).__name__
            raise ValueError(f'{width} x {height} pixels are more than {name}(max_pixels={self.max_pixels}) allows; if '
                             f'you trust the source of your images, set max_pixels={width * height} or more for {name} '
                             'in the pipeline')

    def _to_rgb(self, image: Image.Image) -> np.ndarray:
        if image.mode == 'F' or image.mode.startswith('I'):
            grey = np.asarray(image, dtype=np.float32) * (255 / self._brightest(image.mode))
            return np.repeat(grey.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)
        return np.asarray(image.convert('RGB'))

    def _brightest(self, mode: str) -> float:
        if self.max_value is None and mode == 'F':
            raise ValueError('floating point pixels, whose range is unknown: set LoadImage(max_value=...)')
        return self.max_value or 65535

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_value={self.max_value}, max_pixels={self.max_pixels})'
