"""What MMEngine logged of a training, runs that were resumed joined."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..json_text import parse_json

# What a line of a log says of itself rather than of the training.
POSITIONS = ('iter', 'epoch', 'step')
# How many images a training has; mmsimmim.LoggerHook writes it when one starts.
NUM_IMAGES = 'data/train_images'


@dataclass
class Training:
    """What was logged of one training, runs that were resumed joined.

    Args:
        records (list[tuple[float, dict]]): Iteration and values of each line, in the order of the log.
        epoch_length (float, optional): Iterations of an epoch; None where the log does not tell.
    """

    records: list[tuple[float, dict]] = field(default_factory=list)
    epoch_length: float | None = None

    @property
    def keys(self) -> list[str]:
        """Names of all numbers in the log."""
        names = {key: None for _, values in self.records for key, value in values.items() if is_number(value)}
        return [name for name in names if name not in POSITIONS]


def read_training(place: str) -> Training:
    """Read the newest training of a log.

    Args:
        place (str): A work_dir, the folder of a run, or a file.

    Returns:
        Training: Its lines.

    Raises:
        UserError: If there is no such log, it cannot be read, or it has no line of a training.
    """
    training = Training()
    for path in find_files(place):
        for rows in split_runs(read_rows(path)):
            join(training, rows)
    if not training.records:
        raise UserError(f'{place}: no training iteration was logged. mmsimmim.LoggerHook logs the first one, '
                        "MMEngine's LoggerHook the first multiple of default_hooks.logger.interval.")
    return training


def find_files(place: str) -> list[Path]:
    """The file itself, or those of all runs in a folder, oldest first."""
    path = Path(place)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f'There is no log {place} (working folder: {os.getcwd()}).')
    for pattern in ('scalars.json', 'vis_data/scalars.json', '*/vis_data/scalars.json'):
        found = sorted(path.glob(pattern))
        if found:
            return found
    below = sorted({str(log.parents[2]) for log in path.glob('*/*/vis_data/scalars.json')})
    advice = f'Its folders have some: {", ".join(below)}.' if below else (
        'The visualizer of the config needs dict(type="LocalVisBackend") among its vis_backends.')
    raise UserError(f'{place} has no log: neither scalars.json, vis_data/scalars.json nor */vis_data/scalars.json. '
                    f'{advice}')


def read_rows(path: Path) -> list[dict]:
    """The lines of a log; an unfinished one at its end, of a run that was stopped or goes on, is left out.

    Raises:
        UserError: If the file cannot be read, is empty or is no such log.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'Cannot read {path}: {getattr(error, "strerror", None) or error}') from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = parse_json(line)
        except ValueError as error:
            if number == len(lines) > 1:
                break
            raise UserError(f'{path}, line {number} is no JSON: {line[:60]!r}. A log has one JSON object per line, as '
                            'in vis_data/scalars.json.') from error
        if not isinstance(row, dict) or not is_position(row.get('step')):
            raise UserError(f'{path}, line {number} does not say its step: {line[:60]!r}. A log of a training, such as '
                            'vis_data/scalars.json, does on every line.')
        wrong = [key for key in POSITIONS if key in row and not is_position(row[key])]
        if wrong:
            raise UserError(f'{path}, line {number}: {wrong[0]} must be a number from 0 on, not {row[wrong[0]]!r:.60}.')
        rows.append(row)
    if not rows:
        raise UserError(f'{path} is empty: nothing was logged yet.')
    return rows


def split_runs(rows: list[dict]) -> list[list[dict]]:
    """Cut a log where a run starts, or iterations go back: runs of one process may share a file."""
    runs, last = [[]], 0
    for row in rows:
        if NUM_IMAGES in row and last:
            runs.append([])
            last = 0
        if 'iter' in row:
            if row['iter'] <= last:
                runs.append([])
            last = row['iter']
        runs[-1].append(row)
    return runs


def join(training: Training, rows: list[dict]) -> None:
    """Append a run to a training, in place of all before it or of what lay beyond the point at which it went on.

    Args:
        training (Training): Changed in place.
        rows (list[dict]): The run's lines. One that only validates or tests, with no line of training, is passed over.
    """
    logged = [row['iter'] for row in rows if 'iter' in row]
    if not logged:
        return
    # a run from the beginning logs for the first time no later than after one interval
    anew = len(logged) > 1 and logged[0] <= logged[1] - logged[0]
    if anew:
        training.records.clear()
    training.records = [record for record in training.records if record[0] < logged[0]]
    training.epoch_length = find_epoch_length(rows) or (None if anew else training.epoch_length)
    training.records += place(rows, training.epoch_length)


def find_epoch_length(rows: Iterable[dict]) -> float | None:
    """Iterations of an epoch: what lies between the first lines of two; None for less than two epochs."""
    first = {}
    for row in rows:
        if 'iter' in row and 'epoch' in row:
            first.setdefault(row['epoch'], row['iter'])
    epochs = sorted(first)
    if len(epochs) < 2:
        return None
    return float(np.median([(first[b] - first[a]) / (b - a) for a, b in zip(epochs, epochs[1:])]))


def place(rows: Iterable[dict], epoch_length: float | None) -> list[tuple[float, dict]]:
    """Tell the iteration of each line of a run.

    Lines of training have it. The step of others is an iteration or an epoch; it is an epoch if training was further.

    Args:
        rows (Iterable[dict]): The lines.
        epoch_length (float, optional): Iterations of an epoch, if known.

    Returns:
        list[tuple[float, dict]]: Iteration and line.
    """
    records, last = [], 0
    for row in rows:
        if 'iter' in row:
            at = last = row['iter']
        elif row['step'] >= last:
            at = row['step']
        else:
            at = max(row['step'] * (epoch_length or 0), last)
        records.append((at, row))
    return records


def is_position(value: object) -> bool:
    """Whether a value of a log can say where in a training its line belongs."""
    return is_number(value) and 0 <= value < 2**53


def is_number(value: object) -> bool:
    """Whether a value of a log is a number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
