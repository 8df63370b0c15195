"""From normalised tensors to panels: original | masked | reconstruction | reconstruction with visible pixels back."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from ..models.colours import denormalise, is_rgb

CAPTIONS = ('original', 'masked', 'reconstruction', 'with visible pixels')
MASK_GREY = 128
GAP = 6
LINE = 20
FONT_SIZE = 14
PAPER, INK = (255, 255, 255), (40, 40, 40)


def make_tiles(image: Tensor,
               mask: Tensor,
               reconstruction: Tensor,
               preprocessor: nn.Module,
               channels: Sequence[int] | None = None) -> list[np.ndarray]:
    """The four images of a row, in the order of :data:`CAPTIONS`.

    Args:
        image (Tensor): Normalised image, shape (C, H, W).
        mask (Tensor): Shape (h, w), 1 = masked; h and w divide H and W.
        reconstruction (Tensor): In the same normalised values, shape (C, H, W).
        preprocessor (nn.Module): The data preprocessor that normalised the image.
        channels (Sequence[int], optional): See :func:`to_display`. Defaults to None.

    Returns:
        list[np.ndarray]: Four RGB pictures, uint8, shape (H, W, 3).
    """
    original = to_display(image, preprocessor, channels)
    predicted = to_display(reconstruction, preprocessor, channels)
    mask = mask.cpu().numpy()
    return [original, hide_masked(original, mask), predicted, paste_visible(predicted, original, mask)]


def to_display(image: Tensor, preprocessor: nn.Module, channels: Sequence[int] | None = None) -> np.ndarray:
    """Undo the normalisation and the order of channels of a data preprocessor.

    Args:
        image (Tensor): Normalised image, floating point, shape (C, H, W).
        preprocessor (nn.Module): A data preprocessor of mmpretrain or MMEngine; its ``mean`` and ``std``, if it has
            them, are those of the channels as the model sees them.
        channels (Sequence[int], optional): Which channels, as the model sees them, are shown as red, green and blue;
            a single one is shown in grey. Defaults to None: of three channels all, in the order RGB if the
            preprocessor converts and else in BGR, in which OpenMMLab's pipelines load; of more than three the first
            three as they come; of one or two the first one in grey.

    Returns:
        np.ndarray: RGB picture, uint8, shape (H, W, 3): values rounded and clipped to 0..255.

    Raises:
        ValueError: If ``channels`` are neither one nor three, or the image has no such channels.
    """
    shown = _shown_channels(image.shape[0], preprocessor, channels)
    values = denormalise(image.detach().float(), preprocessor)
    values = values[list(shown)].nan_to_num().round().clamp(0, 255).to(torch.uint8)
    return values.permute(1, 2, 0).contiguous().cpu().numpy()


def _shown_channels(count: int, preprocessor: nn.Module, channels: Sequence[int] | None) -> tuple[int, int, int]:
    if channels is not None:
        if len(channels) not in (1, 3) or not all(0 <= channel < count for channel in channels):
            raise ValueError(f'channels must be one or three numbers from 0 to {count - 1}, as the images have {count} '
                             f'channels; got {tuple(channels)}')
        return tuple(channels) if len(channels) == 3 else (channels[0], ) * 3
    if count < 3:
        return 0, 0, 0
    return (0, 1, 2) if is_rgb(preprocessor) or count > 3 else (2, 1, 0)


def hide_masked(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Cover what the model does not see with grey.

    Args:
        picture (np.ndarray): uint8, shape (H, W, 3).
        mask (np.ndarray): Shape (h, w), 1 = masked; h and w divide H and W.

    Returns:
        np.ndarray: uint8, shape (H, W, 3).
    """
    return np.where(_on_pixels(mask, picture), np.uint8(MASK_GREY), picture)


def paste_visible(predicted: np.ndarray, original: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The prediction where masked, the original elsewhere; shapes as in :func:`hide_masked`."""
    return np.where(_on_pixels(mask, original), predicted, original)


def _on_pixels(mask: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The mask for each pixel, shape (H, W, 1), bool."""
    (height, width), (rows, cols) = picture.shape[:2], mask.shape
    if height % rows or width % cols:
        raise ValueError(f'a mask of {rows} x {cols} does not divide a picture of {height} x {width} pixels')
    return mask.astype(bool).repeat(height // rows, axis=0).repeat(width // cols, axis=1)[..., None]


def draw_row(tiles: Sequence[np.ndarray],
             captions: Sequence[str] | None = CAPTIONS,
             note: str | Sequence[str] | None = None,
             min_side: int = 192) -> np.ndarray:
    """Lay tiles of one size side by side.

    Args:
        tiles (Sequence[np.ndarray]): uint8, each of shape (H, W, 3).
        captions (Sequence[str], optional): Written above the tiles. Defaults to :data:`CAPTIONS`; None for none.
        note (str | Sequence[str], optional): Written below: one for the row, or one for each tile. Defaults to None.
        min_side (int): Tiles with a shorter side than this are upscaled, each pixel to a square of an integer number of
            pixels. Defaults to 192; 1 keeps them as they are.

    Returns:
        np.ndarray: RGB picture, uint8. Tile i begins :data:`GAP` + i * (width + :data:`GAP`) from the left, and
        :data:`GAP` from the top, :data:`LINE` lower with captions.
    """
    factor = math.ceil(min_side / min(tiles[0].shape[:2]))
    tiles = [tile.repeat(factor, axis=0).repeat(factor, axis=1) for tile in tiles]
    height, width = tiles[0].shape[:2]
    top = GAP + (LINE if captions else 0)
    size = (GAP + len(tiles) * (width + GAP), top + height + (LINE if note else 0) + GAP)
    row = Image.new('RGB', size, PAPER)
    for i, tile in enumerate(tiles):
        left = GAP + i * (width + GAP)
        row.paste(Image.fromarray(tile), (left, top))
        if captions:
            _write(row, captions[i], left, top - LINE, width)
    if isinstance(note, str):
        _write(row, note, GAP, top + height, size[0] - 2 * GAP)
    else:
        for i, text in enumerate(note or ()):
            _write(row, text, GAP + i * (width + GAP), top + height, width)
    return np.asarray(row)


def _write(picture: Image.Image, text: str, left: int, top: int, width: int) -> None:
    """Write one line into a strip of :data:`LINE` pixels; what is too long loses its beginning."""
    font = ImageFont.load_default(FONT_SIZE)
    while len(text) > 1 and font.getlength(text) > width:
        text = '…' + text.lstrip('…')[1:]
    ImageDraw.Draw(picture).text((left, top + LINE // 2), text, fill=INK, font=font, anchor='lm')


def stack_rows(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Put rows below one another, aligned left.

    Args:
        rows (Sequence[np.ndarray]): uint8, each of shape (H_i, W_i, 3).

    Returns:
        np.ndarray: uint8, as high as all and as wide as the widest.
    """
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=PAPER[0]) for row in rows]
    return np.concatenate(padded)
