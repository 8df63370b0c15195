"""Figures and tables of downstream.py."""

from typing import Any

from tools.benchmarks.machine import markdown
from tools.benchmarks.stopwatch import quartiles

HEAD = ['model', 'images / s', "speed-up over the framework's", 'training step, ms (quartiles)', 'peak memory, GiB',
        'first step, s', 'inference, ms (quartiles)', "speed-up over the framework's"]


def make_row(name: str, program: Any, reference: Any, number: int) -> dict[str, Any]:
    """The figures of a program.

    Args:
        name (str): Of the program.
        program (Program): What was measured.
        reference (Program, optional): The framework's, eager.
        number (int): Images per step.

    Returns:
        dict: The figures; the two ratios are None without a reference.
    """
    training, inference = (quartiles(seconds) for seconds in (training_seconds(program), program.inference))
    row = dict(model=name, first_loss=program.first_loss, images_per_second=number / training[1],
               times_framework=None, step_ms=1e3 * training[1], quartiles_ms=[1e3 * training[0], 1e3 * training[2]],
               peak_gib=program.training.peak_bytes / 2**30 or None,
               cold_start_s=program.training.cold_start if name.endswith('-compiled') else None,
               inference_ms=1e3 * inference[1], inference_quartiles_ms=[1e3 * inference[0], 1e3 * inference[2]],
               inference_times_framework=None)
    if reference:
        row['times_framework'] = quartiles(training_seconds(reference))[1] / training[1]
        row['inference_times_framework'] = quartiles(reference.inference)[1] / inference[1]
    return row


def training_seconds(program: Any) -> list[float]:
    """What each timed training step took."""
    return [sum(parts.values()) for parts in program.training.parts]


def print_result(result: dict[str, Any], title: str) -> None:
    """Print the table of a task, with the name of its model."""
    side = result['size']
    losses = ', '.join(f"{row['model']} {row['first_loss']:.4f}" for row in result['rows'])
    print(f"\n{title}, Swin-{result['arch']}, {side} x {side} px, batch {result['batch_size']}, {result['dtype']}; "
          f'losses before the first step: {losses}\n')
    missing = [[row['model'], f"none: {row['reason']}", *['–'] * (len(HEAD) - 2)] for row in result['left_out']]
    print(markdown(HEAD, [*map(_cells, result['rows']), *missing]))


def _cells(row: dict[str, Any]) -> list[str]:
    def number(name: str, form: str) -> str:
        return '–' if row[name] is None else format(row[name], form)

    def spread(name: str, quartiles_name: str) -> str:
        low, high = row[quartiles_name]
        return f'{row[name]:.1f} ({low:.1f}–{high:.1f})'

    return [row['model'], f"{row['images_per_second']:.1f}", number('times_framework', '.2f'),
            spread('step_ms', 'quartiles_ms'), number('peak_gib', '.2f'), number('cold_start_s', '.1f'),
            spread('inference_ms', 'inference_quartiles_ms'), number('inference_times_framework', '.2f')]
