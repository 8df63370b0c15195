"""The nearest colour of a palette as target."""


import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ...registry import MODELS
from .pixel import area_mean, enlarge
from .target import Target, require_stride

# Distances in memory at a time, for any batch size: 256 MiB in float32, twice that with those of one channel.
DISTANCES_AT_A_TIME = 2**26


@MODELS.register_module()
class ColourClusterTarget(Target):
    """Which of a palette's colours is nearest to a pixel (paper section 3.4, colour clusters as in iGPT).

    The palette holds the centres of k-means over the pixels of images like those to be trained on;
    ``tools/dataset_converters/fit_palette.py`` writes one. It is part of the model's checkpoints.

    Args:
        palette (str): File of the palette, ``.npy``: shape (K, 3), red, green and blue from 0 to 255.
        stride (int): Side, pixels, of the squares over which colours are averaged. Defaults to 1.

    Raises:
        ValueError: If the stride is out of range.
        UserError: If the file is missing or holds no palette.
    """

    from_colours = True

    def __init__(self, palette: str, stride: int = 1) -> None:
        super().__init__()
        self.stride = require_stride(stride)
        colours = read_palette(palette)
        self.num_classes = len(colours)
        self.register_buffer('palette', torch.from_numpy(colours))

    def out_channels(self, in_channels: int) -> int:
        """A logit for each colour; ValueError if the images are not in colour."""
        if in_channels != 3:
            raise ValueError(f'ColourClusterTarget is made for images of three channels, the encoder has {in_channels}')
        return self.num_classes

    def forward(self, colours: Tensor) -> Tensor:
        """Find the nearest colours.

        Args:
            colours (Tensor): Images before normalisation, red, green, blue from 0 to 255, shape (B, 3, H, W).

        Returns:
            Tensor: int64, shape (B, 1, H / stride, W / stride): what is nearest to the mean of the colours, rounded to
            whole levels before; the smaller number where two are as near.

        Raises:
            ValueError: If the stride does not divide the sides.
        """
        # Integer levels, so that rounding errors of normalising and denormalising decide no tie.
        means = area_mean(colours.to(self.palette.dtype).round(), self.stride)
        pixels = means.permute(0, 2, 3, 1).reshape(-1, 3)
        parts = pixels.split(max(1, DISTANCES_AT_A_TIME // self.num_classes))
        nearest = torch.cat([self._nearest(part) for part in parts])
        return nearest.reshape(means.shape[0], 1, *means.shape[2:])

    def _nearest(self, pixels: Tensor) -> Tensor:
        # One channel at a time: a matrix product may round to bf16 under autocast, and to TF32 on a GPU.
        distance = pixels.new_zeros(len(pixels), self.num_classes)
        for i in range(3):
            distance += (pixels[:, i, None] - self.palette[:, i]).square_()
        return distance.argmin(1)

    def restore(self, prediction: Tensor, colours: Tensor) -> Tensor:
        """The likeliest colours, as an image.

        Args:
            prediction (Tensor): Logits, shape (B, K, H / stride, W / stride).
            colours (Tensor): Images before normalisation, shape (B, 3, H, W).

        Returns:
            Tensor: Shape (B, 3, H, W), dtype of ``colours``.
        """
        chosen = self.palette[prediction.argmax(1)].permute(0, 3, 1, 2)
        return enlarge(chosen.to(colours.dtype), self.stride)


def read_palette(path: str) -> np.ndarray:
    """Read a palette.

    Args:
        path (str): ``.npy`` file.

    Returns:
        np.ndarray: float32, shape (K, 3).

    Raises:
        UserError: If the file is missing or holds something else.
    """
    try:
        palette = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(f'There is no palette {path}: fit one to your images, python '
                        'tools/dataset_converters/fit_palette.py FOLDER --out FILE.npy, and give it as '
                        'model.target_generator.palette.') from error
    except Exception as error:  # NumPy raises many types on a damaged header, tokenize.TokenError among them
        raise UserError(f'The palette {path} cannot be read as a .npy file: {error}') from error
    if not isinstance(palette, np.ndarray) or palette.ndim != 2 or palette.shape[1] != 3 or len(palette) < 2:
        raise UserError(f'The palette {path} must have the shape (K, 3), at least two colours of red, green and blue; '
                        f'got {getattr(palette, "shape", type(palette).__name__)}.')
    if palette.dtype.kind not in 'fiu' or not ((palette >= 0) & (palette <= 255)).all():
        raise UserError(f'The colours of the palette {path} must be numbers between 0 and 255.')
    return palette.astype(np.float32)
