"""Reading an image file completely, or saying why that cannot be done."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from ...registry import TRANSFORMS


class UnreadableImage(Exception):
    """A file that is cut off, broken, or not an image. The message is the reason."""


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read an image as three channels of 8 bits, in the order blue, green, red that OpenMMLab's pipelines expect.

    Pillow decodes: it reports a file that lacks some of its pixels, whatever the format, where other decoders may fill
    in grey. The rotation written in the EXIF data is applied. Greyscale, palette and CMYK images are converted to RGB;
    an alpha channel is dropped.

    More than 8 bits: colour images keep the upper 8 bits of each channel. Single-channel images of 16 or 32 bits and
    of floating point are scaled so that ``max_value`` becomes 255, and clipped to 0..255.

    **Required Keys:** ``img_path``, or ``img_bytes`` (bytes), the content of the file, which is taken if it is there

    **Added Keys:** ``img`` (np.ndarray, (H, W, 3), uint8), ``img_shape``, ``ori_shape`` ((H, W))

    Args:
        max_value (float, optional): The brightest value of single-channel images with more than 8 bits: 4095 for a
            12-bit camera, 1 for floats in [0, 1]. Defaults to None: 65535 for integers; floats count as unreadable.
        max_pixels (int, optional): Images with more pixels (height x width) count as unreadable: a small file can
            unfold to more than the memory holds. Defaults to None: Pillow's limit, about 179 million. Set it for
            large images from a source that you trust, such as aerial mosaics.

    Examples:
        >>> LoadImage()(dict(img_path='demo.png'))['img'].shape
        (192, 192, 3)
    """

    def __init__(self, max_value: float | None = None, max_pixels: int | None = None) -> None:
        if max_value is not None and not max_value > 0:
            raise ValueError(f'LoadImage: max_value must be above 0, got {max_value}.')
        if max_pixels is not None and not (isinstance(max_pixels, int) and max_pixels > 0):
            raise ValueError(f'LoadImage: max_pixels must be an integer above 0 or None, got {max_pixels!r}.')
        self.max_value = max_value
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict:
        """Add the image to the results.

        Args:
            results (dict): With ``img_path`` or ``img_bytes``.

        Returns:
            dict: With the added keys.

        Raises:
            UnreadableImage: The file is missing, cut off, broken or not an image.
        """
        source = io.BytesIO(results['img_bytes']) if 'img_bytes' in results else results['img_path']
        try:
            with _limit(self.max_pixels), Image.open(source) as file:
                self._check_size(*file.size)
                rgb = self._to_rgb(ImageOps.exif_transpose(file))
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise nearly every type there is on a broken file.
            raise UnreadableImage(self._reason(error)) from error
        results['img'] = np.ascontiguousarray(rgb[..., ::-1])
        results['img_shape'] = results['ori_shape'] = rgb.shape[:2]
        return results

    def _check_size(self, width: int, height: int) -> None:
        if self.max_pixels is not None and width * height > self.max_pixels:
            raise ValueError(f'{width} x {height} pixels are more than LoadImage(max_pixels={self.max_pixels}) allows')

    def _to_rgb(self, image: Image.Image) -> np.ndarray:
        if image.mode == 'F' or image.mode.startswith('I'):
            grey = np.asarray(image, dtype=np.float32) * (255 / self._brightest(image.mode))
            return np.repeat(grey.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)
        return np.asarray(image.convert('RGB'))

    def _brightest(self, mode: str) -> float:
        if self.max_value is None and mode == 'F':
            raise ValueError('floating point pixels, whose range is unknown: set LoadImage(max_value=...)')
        return self.max_value or 65535

    @staticmethod
    def _reason(error: Exception) -> str:
        if type(error).__name__ == 'UnidentifiedImageError':
            return 'not an image'
        if isinstance(error, Image.DecompressionBombError):
            return f'{error} To read images of this size, set LoadImage(max_pixels=...)'
        return getattr(error, 'strerror', None) or str(error) or type(error).__name__

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_value={self.max_value}, max_pixels={self.max_pixels})'


@contextmanager
def _limit(max_pixels: int | None) -> Iterator[None]:
    """Lift Pillow's own limit, a global one, while an image with a limit of its own is read."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = before if max_pixels is None else None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
