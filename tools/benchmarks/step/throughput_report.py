"""Figures and tables of throughput.py."""

import statistics
from typing import Any

from tools.benchmarks.machine import heading, markdown
from tools.benchmarks.step.profile_step import print_profiles
from tools.benchmarks.step.training_step import PARTS, TrainingStep
from tools.benchmarks.stopwatch import quartiles

PACKAGES = ('torch', 'mmpretrain', 'transformers', 'mmsimmim')
NONE = '–'


def make_row(what: dict[str, Any], step: TrainingStep, mmpretrain: TrainingStep | None, float32: TrainingStep | None,
             flops: float, tflops: float, compiled: bool) -> dict[str, Any]:
    """The figures of a contender.

    Args:
        what (dict): ``model``, ``arch``, ``batch_size``, ``img_size``, ``dtype`` and ``device``; starts the row.
        step (TrainingStep): What was measured.
        mmpretrain (TrainingStep, optional): mmpretrain's, eager, in the same precision.
        float32 (TrainingStep, optional): The same contender in float32.
        flops (float): Operations per image.
        tflops (float): 10^12 operations per second of the largest matrix product.
        compiled (bool): Whether the first step compiled.

    Returns:
        dict: What is given, and ``images_per_second``, ``step_ms``, ``quartiles_ms``, ``parts_ms`` (medians, and as
        such not exactly their sum), ``peak_gib`` (None on a CPU), ``share_of_peak``, ``cold_start_s`` (None if not
        compiled), ``times_mmpretrain`` and ``times_float32`` (None without these).
    """
    low, median, high = quartiles(step_seconds(step))
    rate = what['batch_size'] / median

    def times(reference: TrainingStep | None) -> float | None:
        return quartiles(step_seconds(reference))[1] / median if reference else None

    return dict(
        what, images_per_second=rate, step_ms=1e3 * median, quartiles_ms=[1e3 * low, 1e3 * high],
        parts_ms={name: 1e3 * statistics.median(parts[name] for parts in step.parts) for name in PARTS},
        peak_gib=step.peak_bytes / 2**30 if step.peak_bytes else None,
        share_of_peak=rate * flops / (tflops * 1e12),
        cold_start_s=step.cold_start if compiled else None,
        times_mmpretrain=times(mmpretrain), times_float32=times(float32))


def step_seconds(step: TrainingStep) -> list[float]:
    """What each timed step took."""
    return [sum(parts.values()) for parts in step.parts]


def print_report(result: dict[str, Any]) -> None:
    """Print the tables, one for each architecture and precision."""
    print(heading(result, PACKAGES))
    everything = result['rows'] + result['left_out']
    for arch, dtype in dict.fromkeys((row['arch'], row['dtype']) for row in everything):
        rows, left_out = ([row for row in result[kind] if (row['arch'], row['dtype']) == (arch, dtype)]
                          for kind in ('rows', 'left_out'))
        first = (rows + left_out)[0]
        print(f"\n{arch}, {first['img_size']} px, batch {first['batch_size']}, {dtype}; "
              f"{result['gflop_per_image'][arch]:.1f} GFLOP per image and step, the largest matrix product makes "
              f"{result['peak_tflops'][dtype]:.3g} TFLOP/s\n")
        print(table(rows, left_out))
        if profiles := {row['model']: row['profile'] for row in rows if 'profile' in row}:
            print_profiles(profiles)


def table(rows: list[dict[str, Any]], left_out: list[dict[str, Any]]) -> str:
    """Rows of one architecture and precision in Markdown."""
    head = ['model', 'images / s', 'speed-up over mmpretrain', 'speed-up over its float32', 'step, ms (quartiles)',
            *(f'{part}, ms' for part in PARTS), 'share of peak', 'peak memory, GiB', 'first step, s']
    missing = [[row['model'], f"none: {row['reason']}", *[NONE] * (len(head) - 2)] for row in left_out]
    return markdown(head, [*map(_cells, rows), *missing])


def _cells(row: dict[str, Any]) -> list[str]:
    low, high = row['quartiles_ms']
    return [
        row['model'], f"{row['images_per_second']:.1f}", _number(row['times_mmpretrain'], '.2f'),
        _number(row['times_float32'], '.2f'), f"{row['step_ms']:.1f} ({low:.1f}–{high:.1f})",
        *(f'{row["parts_ms"][part]:.1f}' for part in PARTS),
        f"{row['share_of_peak']:.1%}", _number(row['peak_gib'], '.2f'), _number(row['cold_start_s'], '.1f')
    ]


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)
