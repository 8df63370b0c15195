"""The same image under several masks, side by side: strategies, patch sizes, ratios.

    python -m mmsimmim mask_gallery a.jpg b.jpg --out masks.png --columns square:32:0.25 random:32:0.6

A row for each image. The caption above names the mask; that below has the mask ratio and AvgDist, the mean
distance of masked pixels to the nearest visible one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError, shown
from .common.mistakes import report_mistakes
from .config.options import MASK_NAMES, check_seed

if TYPE_CHECKING:
    from ..datasets import MaskGenerator

COLUMNS = ['square:32:0.25', 'block-wise:16:0.6', 'block-wise:32:0.6', 'random:4:0.6', 'random:8:0.6', 'random:16:0.6',
           'random:32:0.6', 'random:64:0.6']


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='images, a row for each')
    parser.add_argument('--out', required=True, metavar='FILE', help='PNG file to write')
    parser.add_argument('--columns', nargs='+', default=COLUMNS, metavar='STRATEGY:PATCH:RATIO',
                        help=f'what to mask: one of {", ".join(MASK_NAMES)}, the side of a masked patch, pixels, '
                             f'and the share to mask, in (0, 1] (default: {" ".join(COLUMNS)})')
    parser.add_argument('--input-size', type=int, nargs='+', default=[192], metavar='PIXELS',
                        help='scale images to cover this and cut out the middle: a side, or height and width (default: '
                             '192)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the masks (default: %(default)s)')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..visualization import stack_rows
    from ..visualization.files import check_target, write_picture

    check_target(args.out, args.images)
    check_seed(args.seed)
    if len(args.input_size) > 2 or min(args.input_size) < 1:
        raise UserError('--input-size takes a side or height and width, in pixels; got '
                        f'{" ".join(map(str, args.input_size))}.')
    height, width = args.input_size * (3 - len(args.input_size))
    generators = dict(read_column(text, height, width) for text in args.columns)
    rows = []
    for index, path in enumerate(args.images):
        picture = center_crop(read(path), height, width)
        rows.append(draw_image(picture, Path(path).name, generators, [args.seed, index]))
    print(write_picture(args.out, stack_rows(rows)))


def read_column(text: str, height: int, width: int) -> tuple[str, MaskGenerator]:
    """The caption of a column and its masks, their tokens as large as the masked patches.

    Args:
        text (str): STRATEGY:PATCH:RATIO.
        height (int): Of the images, pixels.
        width (int): Likewise.

    Returns:
        tuple[str, MaskGenerator]: The two.

    Raises:
        UserError: If the text is of another form, or there are no such masks.
    """
    from ..datasets import MASK_STRATEGIES

    strategy, *numbers = text.split(':')
    if strategy not in MASK_STRATEGIES or len(numbers) != 2:
        raise UserError(f'--columns {text}: write STRATEGY:PATCH:RATIO, such as random:32:0.6, with one of '
                        f'{", ".join(MASK_STRATEGIES)}.')
    try:
        patch, ratio = int(numbers[0]), float(numbers[1])
        generator = MASK_STRATEGIES[strategy]((height, width), patch, patch, ratio)
    except ValueError as error:
        raise UserError(f'--columns {text}: {error}') from error
    return f'{strategy} {patch} px, {100 * ratio:g}%', generator


def read(path: str) -> np.ndarray:
    """An image in RGB, uint8, shape (H, W, 3)."""
    from ..datasets import LoadImage
    from ..datasets.transforms import UnreadableImage

    try:
        return LoadImage()(dict(img_path=path))['img'][..., ::-1]
    except UnreadableImage as error:
        raise UserError(f'Cannot read the image {shown(path)}: {shown(error)}') from error


def center_crop(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale an image (H, W, C) until it just covers a size, and cut out the middle: (height, width, C)."""
    from ..visualization.pictures import resize

    scale = max(height / image.shape[0], width / image.shape[1])
    sides = [max(wanted, round(side * scale)) for side, wanted in zip(image.shape, (height, width))]
    top, left = (sides[0] - height) // 2, (sides[1] - width) // 2
    return resize(image, *sides)[top:top + height, left:left + width]


def draw_image(picture: np.ndarray, name: str, generators: dict[str, MaskGenerator], seed: list[int]) -> np.ndarray:
    """A row of the gallery: the image, then the image under each mask.

    Args:
        picture (np.ndarray): uint8, shape (H, W, 3).
        name (str): Written below the whole picture.
        generators (dict[str, MaskGenerator]): By caption. Each draws from the seed afresh.
        seed (list[int]): Numbers from 0 to 2**32 - 1.

    Returns:
        np.ndarray: RGB picture, uint8.
    """
    from ..evaluation import average_distance
    from ..visualization import draw_row, hide_masked

    tiles, notes = [picture], [name]
    for generator in generators.values():
        mask = generator.draw(np.random.RandomState(seed))
        distance = average_distance(mask, generator.model_patch_size)
        tiles.append(hide_masked(picture, mask))
        notes.append(f'{mask.mean():.0%} masked, AvgDist {distance:.1f} px')
    return draw_row(tiles, ['original', *generators], notes)

