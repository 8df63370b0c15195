"""What a model made of the same images at several moments of its training, side by side."""

from collections.abc import Sequence

import numpy as np

from .panels import CAPTIONS, GAP, LINE, draw_row, stack_rows

RECONSTRUCTION = CAPTIONS.index('reconstruction')
# Images shown, and the side that a tile has at least.
IMAGES, MIN_SIDE = 4, 160


def draw_learning(sheets: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray | None:
    """Draw an image in each row: original, what the encoder sees, and its reconstruction at each moment.

    Args:
        sheets (Sequence[np.ndarray]): What :func:`draw_sheet` drew at each moment, of the same images with the same
            masks; uint8, shape (H, W, 3).
        captions (Sequence[str]): What to write above each moment.

    Returns:
        np.ndarray | None: RGB picture, uint8; None if the sheets are not of the same square images.
    """
    tiles = [_tiles(sheet) for sheet in sheets]
    if not tiles or not all(tiles) or len({(len(rows), rows[0][0].shape) for rows in tiles}) > 1:
        return None
    titles = ['original', 'masked', *captions]
    return stack_rows([
        draw_row([*rows[0][:RECONSTRUCTION], *(row[RECONSTRUCTION] for row in rows)], titles, min_side=MIN_SIDE)
        for rows in list(zip(*tiles))[:IMAGES]])


def _tiles(sheet: np.ndarray) -> list[list[np.ndarray]]:
    """The tiles of each row of a sheet; none if they are not square."""
    side = (sheet.shape[1] - GAP) // len(CAPTIONS) - GAP
    pitch = 2 * GAP + 2 * LINE + side
    if side < 1 or sheet.shape[1] != GAP + len(CAPTIONS) * (side + GAP) or sheet.shape[0] % pitch:
        return []
    tops = range(GAP + LINE, sheet.shape[0], pitch)
    return [[sheet[top:top + side, left:left + side] for left in range(GAP, sheet.shape[1] - GAP, side + GAP)]
            for top in tops]
