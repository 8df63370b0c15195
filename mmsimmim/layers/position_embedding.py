"""Absolute position embeddings of a ViT, and their resizing to other grids of tokens."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UserError


def resize_position_embedding(embedding: Tensor, source: tuple[int, int], target: tuple[int, int],
                              mode: str = 'bicubic') -> Tensor:
    """Interpolate the embeddings of the patches; that of a class token before them stays as it is. Differentiable.

    Args:
        embedding (Tensor): Floating point, shape (1, extra + rows * columns, C).
        source (tuple[int, int]): Rows and columns of tokens that it is for.
        target (tuple[int, int]): Rows and columns of tokens wanted.
        mode (str): ``'bicubic'`` or ``'bilinear'``.

    Returns:
        Tensor: Shape (1, extra + target rows * columns, C), dtype of ``embedding``, itself if it already fits.
    """
    if source == target:
        return embedding
    extra = embedding.shape[1] - source[0] * source[1]
    # bf16 and fp16 have no such kernel on every device
    image = embedding[:, extra:].to(torch.promote_types(embedding.dtype, torch.float32))
    image = F.interpolate(image.unflatten(1, source).permute(0, 3, 1, 2), size=target, mode=mode, align_corners=False)
    return torch.cat([embedding[:, :extra], image.flatten(2).transpose(1, 2).to(embedding.dtype)], dim=1)


def fit_position_embedding(embedding: Tensor, grid: tuple[int, int], class_token: bool,
                           mode: str = 'bicubic') -> Tensor:
    """Make the embedding of another model fit; one of another grid is taken to be of a square.

    Args:
        embedding (Tensor): Shape (1, L, C), with or without a class token.
        grid (tuple[int, int]): Rows and columns of tokens wanted.
        class_token (bool): Whether a class token's embedding is wanted. One that is not wanted is left out.
        mode (str): See :func:`resize_position_embedding`.

    Returns:
        Tensor: Shape (1, class_token + rows * columns, C).

    Raises:
        UserError: (a ValueError) If L fits neither the grid nor a square, or a class token is wanted and there is none.
    """
    length = embedding.shape[1]
    squares = [(extra, (math.isqrt(length - extra), ) * 2) for extra in (1, 0)]
    # the grid before squares, and as wanted before anything else: 5 x 10 tokens are 7 x 7 and a class token, too
    for extra, source in [(int(class_token), grid), (1, grid), *squares]:
        if source[0] * source[1] == length - extra and extra >= class_token:
            return resize_position_embedding(embedding[:, extra - class_token:], source, grid, mode)
    raise UserError(f'{length} position embeddings are those of no square image'
                    f'{" with a class token" if class_token else ""}; those of a rectangle load only into an encoder '
                    'of the same img_size')
