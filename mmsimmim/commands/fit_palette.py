"""Fit a palette to the pixels of your images: the cluster centres of mmsimmim.ColourClusterTarget.

    python -m mmsimmim fit_palette /data/aerial --out aerial_512.npy

k-means of scikit-learn over a sample of pixels from all images below the folder. The file holds an
array of the shape (K, 3): red, green and blue from 0 to 255, from dark to bright. A second run with the same arguments
gives the same file.
"""

import argparse
import os
import sys

import numpy as np

from ..errors import UserError, shown
from .common.mistakes import report_mistakes
from .config.options import check_seed


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', help='searched for images with all below it')
    parser.add_argument('--out', required=True, metavar='FILE.npy', help='where the palette goes')
    parser.add_argument('--colours', type=int, default=512, metavar='K', help='colours to find (default: %(default)s)')
    parser.add_argument('--pixels', type=int, default=1_000_000, metavar='N',
                        help='pixels to draw from the images (default: %(default)s)')
    parser.add_argument('--stride', type=int, default=1,
                        help="side of the squares over which colours are averaged, as the target's stride (default: 1)")
    parser.add_argument('--seed', type=int, default=0, help='of the draw and of k-means (default: %(default)s)')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..datasets.image_folder import IMAGE_SUFFIXES, list_files
    from ..datasets.palette import fit_palette, sample_pixels

    check(args)
    paths = [os.path.join(args.folder, path) for path in sorted(list_files(args.folder, IMAGE_SUFFIXES))]
    if not paths:
        raise UserError(f'No images in {args.folder} or the folders below it. Looked for names that end in '
                        f'{", ".join(IMAGE_SUFFIXES)}.')
    pixels, left_out = sample_pixels(paths, args.pixels, args.stride, args.seed)
    for line in left_out:
        print(f'left out: {shown(line)}', file=sys.stderr)
    palette, distance = fit_palette(pixels, args.colours, args.seed)
    write(args.out, palette)
    print(f'{args.out}: {len(palette)} colours from {len(pixels)} pixels of {len(paths) - len(left_out)} images; a '
          f'pixel is {distance:.1f} levels of 255 from its colour (root mean square)')


def check(args: argparse.Namespace) -> None:
    """Refuse impossible arguments, before anything is read."""
    if not os.path.isdir(args.folder):
        raise UserError(f'There is no folder {args.folder} (working folder: {os.getcwd()}).')
    if not args.out.endswith('.npy'):
        raise UserError(f'--out {args.out} must end in .npy.')
    check_seed(args.seed)
    for name, least in (('colours', 2), ('stride', 1)):
        if getattr(args, name) < least:
            raise UserError(f'--{name} must be at least {least}, got {getattr(args, name)}.')
    if args.pixels < args.colours:
        raise UserError(f'--pixels {args.pixels} must not be fewer than --colours {args.colours}.')


def write(path: str, palette: np.ndarray) -> None:
    """Write a palette, making its folder; a file is never seen half-written."""
    part = f'{path}.{os.getpid()}.part'
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        with open(part, 'wb') as file:
            np.save(file, palette)
        os.replace(part, path)
    except OSError as error:
        raise UserError(f'Cannot write {path}: {error.strerror or error}') from error
    finally:
        if os.path.exists(part):
            os.remove(part)

