"""Training curves from the logs of one run or several.

    python -m mmsimmim plot_curves work_dirs/linear work_dirs/inverse_swin \\
        --keys loss reconstruction/masked_loss probe/knn --smooth 9 --out curves.png

A LOG is the work_dir of a config, the folder of one run in it, or a file vis_data/*.json that MMEngine's
LocalVisBackend wrote. Of a work_dir the newest training is plotted, from its beginning: a resumed run
replaces what the one before had logged beyond that point. Each of the keys has a panel.

Values logged at the end of an epoch are plotted at its last iteration. MMEngine does not record at which
iteration an iteration-based training was validated, unless default_hooks.logger.log_metric_by_epoch=False;
such values are plotted at the last training iteration logged before.

With --against each log is one point: its last, lowest or highest value, over the size of its encoder, or over the
images or iterations of its pre-training. Runs that are equal in the two other sizes form a line:

    python -m mmsimmim plot_curves work_dirs/*_in1k-*pct-192px --against images --keys reconstruction/masked_loss
    python -m mmsimmim plot_curves work_dirs/finetuned_* --against images --keys accuracy/top1 --pick max

The size is that of the config beside the log. A fine-tuning that starts from work_dirs/NAME/*.pth counts as the
pre-training in work_dirs/NAME, which has to be there, or --at says where each point belongs.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError, shown
from .common.mistakes import report_mistakes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..visualization.training_log import Training

FORMATS = ('.png', '.pdf', '.svg')
# Okabe and Ito's colours, which stay apart for colour-blind eyes; without yellow, which is faint on white.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#000000')
STYLES = ('-', '--', ':', '-.')


@dataclass
class Curve:
    """One line of the plot.

    Args:
        label (str): Its name.
        key (str): What was logged.
        x (np.ndarray): Iterations or epochs, ascending, shape (N,).
        y (np.ndarray): Values, shape (N,).
        smoothed (np.ndarray): Values to draw, shape (N,).
    """

    label: str
    key: str
    x: np.ndarray
    y: np.ndarray
    smoothed: np.ndarray


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('log', nargs='+', metavar='LOG', help='work_dir, folder of a run, or file')
    parser.add_argument('--keys', nargs='+', default=['loss'], metavar='KEY',
                        help='what to plot, a panel each (default: loss)')
    parser.add_argument('--labels', nargs='+', metavar='LABEL',
                        help='one per log (default: the names of the folders); with --against logs of the same label '
                             'form a line')
    parser.add_argument('--against', choices=('parameters', 'images', 'iterations'),
                        help='one point per log over the size of its encoder, or images or iterations of its '
                             'pre-training')
    parser.add_argument('--pick', choices=('last', 'min', 'max'), default='last',
                        help='with --against: which of the values of a log (default: %(default)s)')
    parser.add_argument('--at', nargs='+', type=float, metavar='N',
                        help='with --against: the abscissa of each log, where log and config do not tell it')
    parser.add_argument('--smooth', type=int, default=1, metavar='N',
                        help='of what is logged in training steps draw the median of N values around each, fewer at '
                             'the ends, and the values themselves faintly; figures of validation stay as they are '
                             '(default: %(default)s, no smoothing)')
    parser.add_argument('--x', choices=('iter', 'epoch'), default='iter', help='abscissa (default: %(default)s)')
    parser.add_argument('--log-y', action='store_true', help='logarithmic ordinates')
    parser.add_argument('--out', default='work_dirs/curves.png', metavar='FILE',
                        help='.png, .pdf or .svg (default: %(default)s)')
    parser.add_argument('--csv', metavar='FILE', help='also write the numbers here')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..visualization.files import write_file
    from ..visualization.training_log import read_training

    check(args)
    if args.against:
        return plot_scaling(args)
    trainings = dict(zip(args.labels or default_labels(args.log), map(read_training, args.log)))
    curves = make_curves(trainings, list(dict.fromkeys(args.keys)), args.x, args.smooth)
    for note in find_oddities(trainings, curves, args.log_y):
        print(note, file=sys.stderr)
    write_file(args.out, draw(curves, args.x, args.smooth, args.log_y, Path(args.out).suffix[1:].lower()))
    if args.csv:
        write_file(args.csv, make_csv(curves, args.x).encode())
    print(*[args.out, *filter(None, [args.csv])], sep='\n')


def plot_scaling(args: argparse.Namespace) -> None:
    """One point for each log."""
    from ..visualization.files import write_file
    from ..visualization.scaling_curves import draw_points, make_points, make_table
    from ..visualization.scaling_runs import read_run

    names = default_labels(args.log, 'It is one point of the curve: give each log once.')
    runs = dict(zip(names, map(read_run, args.log)))
    points, notes = make_points(runs, list(dict.fromkeys(args.keys)), args.against, args.pick, args.at, args.labels)
    for note in notes:
        print(note, file=sys.stderr)
    looks = [dict(color=colour, ls=style) for style in STYLES for colour in COLOURS]
    write_file(args.out, draw_points(points, args.against, args.log_y, Path(args.out).suffix[1:].lower(), looks))
    if args.csv:
        write_file(args.csv, make_table(points).encode())
    print(*[args.out, *filter(None, [args.csv])], sep='\n')


def check(args: argparse.Namespace) -> None:
    """Refuse arguments that do not go together, before anything is read."""
    if Path(args.out).suffix.lower() not in FORMATS:
        raise UserError(f'--out {args.out} must end in {", ".join(FORMATS)}.')
    if args.smooth < 1:
        raise UserError(f'--smooth must be at least 1, got {args.smooth}.')
    if args.labels and len(args.labels) != len(args.log):
        raise UserError(f'--labels has {len(args.labels)} names for {len(args.log)} logs; give one for each.')
    if args.labels and len(set(args.labels)) < len(args.labels) and not args.against:
        raise UserError(f'--labels {" ".join(args.labels)}: each log needs a name of its own.')
    if args.against and (args.smooth > 1 or args.x != 'iter'):
        raise UserError('--against draws one value of each log: --smooth and --x have no meaning with it.')
    if not args.against and (args.at or args.pick != 'last'):
        raise UserError('--at and --pick go with --against.')
    if args.at and (len(args.at) != len(args.log) or not all(0 < x < float('inf') for x in args.at)):
        raise UserError(f'--at has {len(args.at)} numbers for {len(args.log)} logs; give a positive one for each.')


def default_labels(places: list[str], advice: str = 'Give --labels if this is meant.') -> list[str]:
    """Name logs after their work_dirs; with the whole path where this would not tell them apart."""
    names = []
    for place in map(Path, places):
        folders = [part for part in (place if place.is_dir() else place.parent).resolve().parts if part != 'vis_data']
        is_run = len(folders) > 1 and folders[-1].replace('_', '').isdigit()
        names.append(folders[-2] if is_run else folders[-1])
    if len(set(names)) < len(names):
        names = places
    if len(set(names)) < len(names):
        raise UserError(f'The same log is given twice: {" ".join(places)}. {advice}')
    return [shown(name) for name in names]


def make_curves(trainings: dict[str, Training], keys: list[str], unit: str, smooth: int) -> list[Curve]:
    """The lines of the plot, ordered by key, then by log; a log that lacks a key has none there.

    Args:
        trainings (dict[str, Training]): By label.
        keys (list[str]): What to plot.
        unit (str): ``'iter'`` or ``'epoch'``.
        smooth (int): Values of which the median is taken, of those that were logged in training steps.

    Raises:
        UserError: If no log has one of the keys, or a log does not count epochs where these are asked for.
    """
    from ..visualization.training_log import is_number

    known = sorted({key for training in trainings.values() for key in training.keys})
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise UserError(f'Nothing was logged as {", ".join(map(shown, unknown))}. There are: '
                        f'{", ".join(map(shown, known))}.')
    divisors = {label: _iterations_per(unit, label, training) for label, training in trainings.items()}
    curves = []
    for key in keys:
        for label, training in trainings.items():
            # where something was logged twice, the later value counts
            rows = {at: row for at, row in training.records if is_number(row.get(key))}
            if rows:
                x = np.array(sorted(rows)) / divisors[label]
                y = np.array([rows[at][key] for at in sorted(rows)], float)
                of_steps = smooth > 1 and any('iter' in row for row in rows.values())
                curves.append(Curve(label, key, x, y, median(y, smooth) if of_steps else y))
    return curves


def _iterations_per(unit: str, label: str, training: Training) -> float:
    if unit == 'epoch' and training.epoch_length is None:
        raise UserError(f'--x epoch: the log of {label} does not tell how many iterations an epoch has, as it counts '
                        'iterations only or has a single epoch. Use --x iter.')
    return training.epoch_length if unit == 'epoch' else 1


def median(values: np.ndarray, num: int) -> np.ndarray:
    """Running median.

    Args:
        values (np.ndarray): Shape (N,). Where one is not finite, it stays, and the others pass over it.
        num (int): Values that each median is taken of: as many before as after the value itself, one more after it if
            the number is even, and fewer at both ends.

    Returns:
        np.ndarray: Shape (N,).
    """
    before, after = (num - 1) // 2, num // 2
    smoothed = values.copy()
    for i in np.flatnonzero(np.isfinite(values)):
        window = values[max(i - before, 0):i + after + 1]
        smoothed[i] = np.median(window[np.isfinite(window)])
    return smoothed


def find_oddities(trainings: dict[str, Training], curves: list[Curve], log_y: bool) -> list[str]:
    """What the plot does not show: keys that a log lacks, and values that have no place."""
    drawn, notes = {(curve.key, curve.label) for curve in curves}, []
    for key in dict.fromkeys(curve.key for curve in curves):
        notes += [f'{label} has no {shown(key)}' for label in trainings if (key, label) not in drawn]
    for curve in curves:
        lost = np.count_nonzero(~np.isfinite(curve.y))
        if lost:
            notes.append(f'{curve.label}: {lost} of {len(curve.y)} values of {shown(curve.key)} are not finite')
        if log_y and (curve.y <= 0).any():
            raise UserError(f'--log-y: {shown(curve.key)} of {curve.label} has values of 0 or less, the first at '
                            f'{curve.x[curve.y <= 0][0]:g}; leave the option out or plot other keys.')
    return notes


def draw(curves: list[Curve], x: str, smooth: int, log_y: bool, file_format: str) -> bytes:
    """Plot, one panel above another for each key, with the same colour for a log in all of them.

    Args:
        curves (list[Curve]): The lines.
        x (str): What the abscissa is.
        smooth (int): Of how many values the points of training steps are the median.
        log_y (bool): Whether ordinates are logarithmic.
        file_format (str): ``'png'``, ``'pdf'`` or ``'svg'``.

    Returns:
        bytes: A file of this format.
    """
    from matplotlib.figure import Figure

    keys = list(dict.fromkeys(curve.key for curve in curves))
    labels = list(dict.fromkeys(curve.label for curve in curves))
    looks = {label: dict(color=COLOURS[i % len(COLOURS)], ls=STYLES[i // len(COLOURS) % len(STYLES)])
             for i, label in enumerate(labels)}
    figure = Figure(figsize=(7, 0.6 + 2.7 * len(keys)), layout='constrained')
    panels = figure.subplots(len(keys), 1, sharex=True, squeeze=False)[:, 0]
    for panel, key in zip(panels, keys):
        for curve in curves:
            if curve.key == key:
                _draw_curve(panel, curve, looks[curve.label])
        panel.set(ylabel=key, yscale='log' if log_y else 'linear')
        panel.spines[['top', 'right']].set_visible(False)
        panel.grid(color='0.9', lw=0.6)
    panels[-1].set_xlabel('iteration' if x == 'iter' else 'epoch')
    handles = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels())}
    title = f'of training steps the median of {smooth} values' if smooth > 1 else None
    figure.legend([handles[label] for label in labels], labels, title=title, frameon=False,
                  loc='outside upper left', ncols=min(len(labels), 3))
    file = io.BytesIO()
    figure.savefig(file, format=file_format, dpi=150)
    return file.getvalue()


def _draw_curve(panel: Axes, curve: Curve, look: dict) -> None:
    # of a single value there is no line, and few of them should be told from what the line adds
    marker = 'o' if len(curve.x) <= 30 else None
    panel.plot(curve.x, curve.smoothed, marker=marker, ms=3.5, lw=1.5, label=curve.label, **look)
    if curve.smoothed is not curve.y:
        panel.plot(curve.x, curve.y, lw=0.8, alpha=0.3, **look)


def make_csv(curves: list[Curve], x: str) -> str:
    """The numbers of the plot: a row for each point, in the plot's order, numbers in full."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['label', 'key', x, 'value', 'smoothed'])
    for curve in curves:
        points = zip(curve.x.tolist(), curve.y.tolist(), curve.smoothed.tolist())
        writer.writerows([curve.label, shown(curve.key),
                          f'{at:.10g}', value, smoothed] for at, value, smoothed in points)
    return file.getvalue()

