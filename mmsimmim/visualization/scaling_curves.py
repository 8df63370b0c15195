"""A figure of many runs against the size of the model, the images or the iterations of the pre-training."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UserError
from .scaling_runs import ScalingRun
from .training_log import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = dict(parameters='parameters of the encoder', images='images of the pre-training',
              iterations='iterations of the pre-training')
HOW_TO_TELL = dict(
    parameters='no config.py beside the log, or one without model.backbone, tells the size of its encoder',
    images='no line data/train_images, which mmsimmim.LoggerHook writes, tells the images of its pre-training, or '
           'several tell different numbers',
    iterations='no log of the pre-training that it starts from tells the iterations')
PICKS: dict[str, Callable] = dict(last=lambda values: values[-1], min=min, max=max)


@dataclass
class Point:
    """One run in one panel.

    Args:
        series (str): The line that it belongs to.
        label (str): Name of the run.
        key (str): What was logged.
        run (ScalingRun): The run.
        x (float): Its size.
        y (float): The value.
    """

    series: str
    label: str
    key: str
    run: ScalingRun
    x: float
    y: float


def make_points(runs: dict[str, ScalingRun], keys: list[str], against: str, pick: str,
                at: list[float] | None = None, series: list[str] | None = None) -> tuple[list[Point], list[str]]:
    """The points of the figure.

    Args:
        runs (dict[str, ScalingRun]): By label.
        keys (list[str]): What was logged, a panel each.
        against (str): ``'parameters'``, ``'images'`` or ``'iterations'``.
        pick (str): Which of a run's values: ``'last'``, ``'min'`` or ``'max'``.
        at (list[float], optional): The abscissa of each run. Defaults to None: what its log and config tell.
        series (list[str], optional): The line of each run. Defaults to None: a line for runs that are equal in the
            two other sizes.

    Returns:
        tuple[list[Point], list[str]]: Points ordered by key, series and abscissa, and what the figure does not show.

    Raises:
        UserError: No run has one of the keys, or a run does not tell its size.
    """
    _require_keys(runs, keys)
    places = dict(zip(runs, at or [getattr(run, against) for run in runs.values()]))
    unknown = [label for label, x in places.items() if x is None]
    if unknown:
        raise UserError(f'--against {against}: of {", ".join(unknown)} {HOW_TO_TELL[against]}. Give --at, a number '
                        'for each log.')
    lines = dict(zip(runs, series or _name_series(runs, against)))
    points, notes = [], []
    for key in keys:
        for label, run in runs.items():
            values = [row[key] for _, row in run.training.records if is_number(row.get(key))]
            if values:
                points.append(Point(lines[label], label, key, run, places[label], PICKS[pick](values)))
            else:
                notes.append(f'{label} has no {key}')
    order = list(dict.fromkeys(lines.values()))
    points.sort(key=lambda point: (keys.index(point.key), order.index(point.series), point.x))
    notes += [f'{point.label}: the {pick} value of {point.key} is {point.y}' for point in points
              if not abs(point.y) < float('inf')]
    return points, notes


def _require_keys(runs: dict[str, ScalingRun], keys: list[str]) -> None:
    known = sorted({key for run in runs.values() for key in run.training.keys})
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise UserError(f'Nothing was logged as {", ".join(unknown)}. There are: {", ".join(known)}.')


def _name_series(runs: dict[str, ScalingRun], against: str) -> list[str]:
    """For each run what sets its line apart: those of the other sizes in which runs differ."""
    others = [name for name in TITLES if name != against]
    told = {name: [_short(getattr(run, name)) for run in runs.values()] for name in others}
    telling = [name for name in others if len(set(told[name])) > 1]
    return [', '.join(f'{number} {name}' for name, number in zip(telling, numbers)) or 'all runs'
            for numbers in zip(*(told[name] for name in telling))] if telling else ['all runs'] * len(runs)


def _short(number: float | None) -> str:
    """A number to three digits, such as 87M."""
    if number is None:
        return 'unknown'
    rounded = float(f'{number:.3g}')
    size, suffix = next(((size, suffix) for size, suffix in ((1e9, 'B'), (1e6, 'M'), (1e3, 'k')) if rounded >= size),
                        (1, ''))
    return f'{rounded / size:g}{suffix}'


def draw_points(points: list[Point], against: str, log_y: bool, file_format: str, looks: list[dict]) -> bytes:
    """Plot, one panel above another for each key, a line for each series, the abscissa logarithmic.

    Args:
        points (list[Point]): Of :func:`make_points`.
        against (str): What the abscissa is.
        log_y (bool): Whether ordinates are logarithmic.
        file_format (str): ``'png'``, ``'pdf'`` or ``'svg'``.
        looks (list[dict]): Colour and style of lines, used in turn.

    Returns:
        bytes: A file of this format.
    """
    from matplotlib.figure import Figure

    keys = list(dict.fromkeys(point.key for point in points))
    series = list(dict.fromkeys(point.series for point in points))
    figure = Figure(figsize=(6, 0.8 + 3 * len(keys)), layout='constrained')
    panels = figure.subplots(len(keys), 1, sharex=True, squeeze=False)[:, 0]
    for panel, key in zip(panels, keys):
        for name, look in zip(series, looks * len(series)):
            line = [point for point in points if (point.key, point.series) == (key, name)]
            panel.plot([point.x for point in line], [point.y for point in line], marker='o', ms=4.5, lw=1.5,
                       label=name, **look)
        panel.set(ylabel=key, xscale='log', yscale='log' if log_y else 'linear')
        panel.spines[['top', 'right']].set_visible(False)
        panel.grid(color='0.9', lw=0.6)
    _mark_abscissae(panels[-1], sorted({point.x for point in points}))
    panels[-1].set_xlabel(TITLES[against])
    handles = dict(zip(*reversed(panels[0].get_legend_handles_labels())))
    figure.legend(handles.values(), handles.keys(), frameon=False, loc='outside upper left', ncols=min(len(series), 3))
    file = io.BytesIO()
    figure.savefig(file, format=file_format, dpi=150)
    return file.getvalue()


def _mark_abscissae(panel: 'Axes', places: list[float]) -> None:
    """Ticks at the sizes that occur, as long as there are few."""
    if len(places) <= 8:
        panel.set_xticks(places, [_short(x) for x in places])
        panel.minorticks_off()


def make_table(points: list[Point]) -> str:
    """The numbers of the figure as CSV: a row for each point, in the figure's order, numbers in full."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['key', 'series', 'label', *TITLES, 'x', 'value'])
    writer.writerows([point.key, point.series, point.label, *(getattr(point.run, name) for name in TITLES),
                      f'{point.x:.12g}', point.y] for point in points)
    return file.getvalue()
