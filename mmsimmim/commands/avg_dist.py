"""AvgDist of masks, as a table and a plot over patch sizes and ratios: how far masked pixels are from visible ones.

    python -m mmsimmim avg_dist --strategies random square block-wise --out-dir work_dirs/avg_dist

The paper reports the best fine-tuning accuracy at 10 to 20 pixels, for images of 192 pixels; values in that band are
bold in the table and ringed in the plot.
"""

from __future__ import annotations

import argparse
import io
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError
from .common.mistakes import report_mistakes
from .config.options import MASK_NAMES, check_seed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..datasets import MaskGenerator


@dataclass
class Point:
    """AvgDist of one kind of masks.

    Args:
        strategy (str): A key of :data:`MASK_STRATEGIES`.
        patch_size (int): Side of a masked patch, pixels.
        ratio (float): Mask ratio.
        avg_dist (float, optional): Mean over masks, pixels; None where they leave nothing visible.
        standard_error (float, optional): Of that mean, pixels; None likewise.
    """

    strategy: str
    patch_size: int
    ratio: float
    avg_dist: float | None
    standard_error: float | None

    def lies_in(self, band: tuple[float, float]) -> bool:
        """Whether it is within a band, ends included, to the decimal that is shown."""
        return self.avg_dist is not None and band[0] <= round(self.avg_dist, 1) <= band[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--strategies', nargs='+', choices=MASK_NAMES, default=['random'],
                        help=f'some of {", ".join(MASK_NAMES)} (default: random)', metavar='STRATEGY')
    parser.add_argument('--input-size', type=int, nargs='+', default=[192], metavar='PIXELS',
                        help='side of the images, or height and width (default: 192)')
    parser.add_argument('--patch-sizes', type=int, nargs='+', default=[4, 8, 16, 32, 64], metavar='PIXELS',
                        help='sides of masked patches (default: 4 8 16 32 64)')
    parser.add_argument('--ratios', type=float, nargs='+', default=[i / 10 for i in range(1, 10)], metavar='RATIO',
                        help='shares to mask, in (0, 1] (default: 0.1 to 0.9)')
    parser.add_argument('--masks', type=int, default=100, metavar='N',
                        help='masks to average over, for each number (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the masks (default: %(default)s)')
    parser.add_argument('--band', type=float, nargs=2, default=[10, 20], metavar=('LOW', 'HIGH'),
                        help='pixels to mark, ends included (default: 10 20)')
    parser.add_argument('--out-dir', default='work_dirs/avg_dist',
                        help='folder for avg_dist.md and avg_dist.png (default: %(default)s)')
    parser.add_argument('--json', metavar='FILE', help='also write the figures here, with their standard errors')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..visualization.files import write_file

    check(args)
    kinds = build_generators(args)
    points = {strategy: [measure(strategy, generator, args.masks, args.seed) for generator in generators]
              for strategy, generators in kinds.items()}
    text = describe(points, args)
    print(text, end='')
    folder = Path(args.out_dir)
    write_file(folder / 'avg_dist.md', text.encode())
    write_file(folder / 'avg_dist.png', draw(points, args.band))
    if args.json:
        figures = [asdict(point) for some in points.values() for point in some]
        settings = {name: vars(args)[name] for name in ('input_size', 'masks', 'seed', 'band')}
        write_file(Path(args.json), json.dumps(settings | dict(points=figures), indent=1).encode())


def check(args: argparse.Namespace) -> None:
    """Refuse what no mask generator would complain about."""
    if len(args.input_size) > 2:
        raise UserError(f'--input-size takes one number or two, height and width; got {len(args.input_size)}.')
    if args.masks < 1:
        raise UserError(f'--masks must be at least 1, got {args.masks}.')
    check_seed(args.seed)
    if not args.band[0] <= args.band[1]:
        raise UserError(f'--band takes the lower end first, got {args.band[0]:g} {args.band[1]:g}.')
    for name in ('strategies', 'patch_sizes', 'ratios'):
        vars(args)[name] = list(dict.fromkeys(vars(args)[name]))


def build_generators(args: argparse.Namespace) -> dict[str, list[MaskGenerator]]:
    """For each strategy a generator per patch size and ratio, its tokens as large as the masked patches.

    Raises:
        UserError: If a size or a ratio is impossible.
    """
    from ..datasets import MASK_STRATEGIES

    size = tuple(args.input_size) if len(args.input_size) == 2 else args.input_size[0]
    try:
        return {strategy: [MASK_STRATEGIES[strategy](size, patch, patch, ratio)
                           for patch in args.patch_sizes for ratio in args.ratios] for strategy in args.strategies}
    except ValueError as error:
        raise UserError(f'There are no such masks: {error}. See --input-size, --patch-sizes and --ratios.') from error


def measure(strategy: str, generator: MaskGenerator, masks: int, seed: int) -> Point:
    """Average over the first masks that a generator draws from a seed.

    Args:
        strategy (str): Its name, for the result.
        generator (MaskGenerator): Draws the masks.
        masks (int): How many, at least 1.
        seed (int): The seed.

    Returns:
        Point: The mean; its standard error is None for a single mask.
    """
    from ..evaluation import average_distance

    source = np.random.RandomState(seed)
    found = [average_distance(generator.draw(source), generator.model_patch_size) for _ in range(masks)]
    mean, error = float(np.mean(found)), None
    if masks > 1 and not math.isnan(mean):
        error = float(np.std(found, ddof=1) / math.sqrt(masks))
    return Point(strategy, generator.mask_patch_size, generator.mask_ratio, None if math.isnan(mean) else mean, error)


def describe(points: dict[str, list[Point]], args: argparse.Namespace) -> str:
    """A table for each strategy, and what the numbers mean."""
    size = ' x '.join(map(str, args.input_size * (3 - len(args.input_size))))
    tables = [f'{strategy}\n\n{make_table(some, args.band)}\n' for strategy, some in points.items()]
    return '\n'.join([
        f'AvgDist, pixels: mean distance of masked pixels to the nearest visible one. Images of {size} px, '
        f'{args.masks} masks for each number. **Bold**: {args.band[0]:g} to {args.band[1]:g}. -: nothing is visible.\n',
        *tables])


def make_table(points: list[Point], band: tuple[float, float]) -> str:
    """Markdown: a row for each patch size, a column for each ratio.

    Args:
        points (list[Point]): Of one strategy, all patch sizes with all ratios.
        band (tuple[float, float]): What is set in bold.

    Returns:
        str: The table, without a newline at its end.
    """
    ratios = list(dict.fromkeys(p.ratio for p in points))
    rows = [['masked patch, px', *(f'{ratio:g}' for ratio in ratios)], ['---'] * (len(ratios) + 1)]
    for patch in dict.fromkeys(p.patch_size for p in points):
        rows.append([str(patch), *(_cell(p, band) for p in points if p.patch_size == patch)])
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def _cell(point: Point, band: tuple[float, float]) -> str:
    if point.avg_dist is None:
        return '-'
    return f'**{point.avg_dist:.1f}**' if point.lies_in(band) else f'{point.avg_dist:.1f}'


def draw(points: dict[str, list[Point]], band: tuple[float, float]) -> bytes:
    """Plot AvgDist over the ratio, a panel for each strategy and a line for each patch size.

    Args:
        points (dict[str, list[Point]]): By strategy.
        band (tuple[float, float]): What is shaded and ringed.

    Returns:
        bytes: A PNG file.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    patches = sorted({point.patch_size for some in points.values() for point in some})
    colours = dict(zip(patches, colormaps['viridis'](np.linspace(0, 0.85, len(patches)))))
    figure = Figure(figsize=(0.9 + 3.7 * len(points), 3.8), layout='constrained')
    panels = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
    for panel, (strategy, some) in zip(panels, points.items()):
        panel.axhspan(*band, color='0.9', lw=0)
        for patch in patches:
            line = [p for p in some if p.patch_size == patch and p.avg_dist is not None]
            _draw_line(panel, sorted(line, key=lambda p: p.ratio), band, colours[patch], f'{patch} px')
        panel.set(title=strategy, xlabel='ratio', yscale='log')
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter('{x:g}')
        panel.spines[['top', 'right']].set_visible(False)
    panels[0].set_ylabel('AvgDist, px')
    figure.legend(*panels[-1].get_legend_handles_labels(), title='masked patch', frameon=False,
                  loc='outside center right')
    file = io.BytesIO()
    figure.savefig(file, format='png', dpi=150)
    return file.getvalue()


def _draw_line(panel: Axes, line: list[Point], band: tuple[float, float], colour: np.ndarray, label: str) -> None:
    panel.plot([p.ratio for p in line], [p.avg_dist for p in line], '.-', color=colour, label=label)
    inside = [p for p in line if p.lies_in(band)]
    panel.plot([p.ratio for p in inside], [p.avg_dist for p in inside], 'o', ms=9, mfc='none', color=colour)

