"""Results of comparisons of models, as a Markdown table and as records."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from ..errors import shown
from .comparison import Comparison

Measures = list[tuple[float, float]]
"""Loss and difference of each model."""


def make_table(comparisons: Sequence[Comparison], names: Sequence[str]) -> Iterator[str]:
    """Image by image, then means over images if there are several.

    Args:
        comparisons (Sequence[Comparison]): All of the same models.
        names (Sequence[str]): Of the models.

    Yields:
        str: Lines of a Markdown table.
    """
    columns = [f'{name}: {measure}' for name in names for measure in ('loss', 'diff.')]
    yield _line(['image', 'mask', 'masked', 'AvgDist', *columns])
    yield _line(['---'] * 2 + ['---:'] * (len(columns) + 2))
    for one in comparisons:
        yield _line([one.image, *_mask_cells([one]), *_measure_cells(_measures(one))])
    for group in by_mask(comparisons):
        if len(group) > 1:
            yield _line([f'mean of {len(group)}', *_mask_cells(group), *_measure_cells(mean_measures(group))])


def make_records(comparisons: Sequence[Comparison], names: Sequence[str]) -> dict[str, list[dict]]:
    """The same in full precision, as JSON can hold it.

    Args:
        comparisons (Sequence[Comparison]): All of the same models.
        names (Sequence[str]): Of the models.

    Returns:
        dict[str, list[dict]]: ``images``, a record for each image, mask and model, and ``means`` over images, for each
        mask and model; what is not finite is None.
    """
    images = [record for one in comparisons for record in _records(
        dict(image=one.image, size=list(one.mask.shape)), [one], names)]
    means = [record for group in by_mask(comparisons) for record in _records(dict(images=len(group)), group, names)]
    return dict(images=images, means=means)


def by_mask(comparisons: Sequence[Comparison]) -> list[list[Comparison]]:
    """Comparisons of different images under the same way of masking, in the order of the settings."""
    settings = list(dict.fromkeys(one.setting for one in comparisons))
    in_order = sorted(comparisons, key=lambda one: settings.index(one.setting))
    return [list(group) for _, group in groupby(in_order, key=lambda one: one.setting)]


def mean_measures(group: Sequence[Comparison]) -> Measures:
    """Means over comparisons, each counting the same."""
    return [tuple(sum(values) / len(group) for values in zip(*of_model))
            for of_model in zip(*map(_measures, group))]


def _measures(one: Comparison) -> Measures:
    return [(outcome.loss, outcome.difference) for outcome in one.outcomes]


def _describe_masks(group: Sequence[Comparison]) -> tuple[float, float]:
    """Means of the masked share and of AvgDist."""
    return tuple(sum(values) / len(group) for values in zip(*((one.share, one.distance) for one in group)))


def _mask_cells(group: Sequence[Comparison]) -> list[str]:
    share, distance = _describe_masks(group)
    return [group[0].setting.label, f'{share:.0%}', f'{distance:.1f}']


def _measure_cells(measures: Measures) -> list[str]:
    return [cell for loss, difference in measures for cell in (f'{loss:.4f}', f'{difference:.2f}')]


def _line(cells: Sequence[str]) -> str:
    escaped = [shown(cell).replace('|', r'\|') for cell in cells]
    return f'| {" | ".join(escaped)} |'


def _records(of_what: dict, group: Sequence[Comparison], names: Sequence[str]) -> Iterator[dict]:
    setting, (share, distance) = group[0].setting, _describe_masks(group)
    mask = dict(strategy=setting.strategy, mask_patch_size=setting.patch_size, mask_ratio=setting.ratio,
                share=share, avg_dist=_finite(distance))
    for name, (loss, difference) in zip(names, mean_measures(group)):
        yield {**of_what, **mask, 'model': name, 'loss': _finite(loss), 'difference': difference}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
