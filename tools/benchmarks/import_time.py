"""Time of imports and of the start of commands, in fresh processes that alternate.

    python tools/benchmarks/import_time.py --rounds 3

Needs no arguments. Times are those of whole processes, of which the start of Python is some hundredths of a second. The
first round fills the disk's cache and does not count. CHECKPOINT in a command stands for a file of a pre-trained Swin-B
that is made for it.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402

STATEMENTS = ('import torch', 'import mmsimmim', 'import mmsimmim.models', 'import mmpretrain',
              'import mmpretrain, mmsimmim.models')
COMMANDS = ('tools/train.py --help', 'tools/analysis_tools/get_flops.py --help',
            'tools/model_converters/inspect_checkpoint.py CHECKPOINT')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=10, help='timed processes of each (default: %(default)s)')
    parser.add_argument('--statements', nargs='+', default=STATEMENTS, metavar='CODE',
                        help='what is timed; the first is what all others are compared to (default: see above)')
    parser.add_argument('--commands', nargs='*', default=COMMANDS, metavar='COMMAND',
                        help='tools with their arguments, likewise (default: see above)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error(f'--rounds must be at least 1, got {args.rounds}')
    return args


def run(arguments: list[str]) -> tuple[float, float]:
    """Seconds that Python takes with some arguments, and those of its cores (user and system).

    Raises:
        UserError: It fails.
    """
    begin, before = time.perf_counter(), os.times()
    process = subprocess.run([sys.executable, '-W', 'ignore', *arguments], cwd=ROOT, capture_output=True, text=True)
    seconds, after = time.perf_counter() - begin, os.times()
    if process.returncode:
        raise UserError(f'{shlex.join(arguments)!r} fails:\n{process.stderr}')
    return seconds, (after.children_user - before.children_user) + (after.children_system - before.children_system)


def measure(programs: dict[str, list[str]], rounds: int) -> list[dict]:
    """Time each program.

    Args:
        programs (dict[str, list[str]]): Arguments of Python by what is written in the table.
        rounds (int): How often.

    Returns:
        list[dict]: ``statement``; ``seconds`` and ``quartiles``; ``core_seconds``; and ``adds`` and ``ratio``, the
        difference of ``seconds`` to the first and the relation to it.
    """
    from tools.benchmarks.stopwatch import quartiles, take_turns

    measured = {name: [] for name in programs}
    take_turns([lambda name=name: run(programs[name]) for name in programs], 1)
    take_turns([lambda name=name: measured[name].append(run(programs[name])) for name in programs], rounds)
    rows = []
    for name, times in measured.items():
        (low, median, high), (_, core, _) = (quartiles(list(column)) for column in zip(*times))
        first = rows[0]['seconds'] if rows else median
        rows.append(dict(statement=name, seconds=median, quartiles=[low, high], core_seconds=core, adds=median - first,
                         ratio=median / first))
    return rows


def write_checkpoint(path: Path) -> None:
    """A file as the official code writes it, of a Swin-B with all parameters 0."""
    import torch

    from mmsimmim.checkpoints import convert_state_dict
    from mmsimmim.models import SwinTransformer

    with torch.device('meta'):
        shapes = SwinTransformer('base', img_size=192, window_size=6).state_dict()
    state = {name: torch.zeros(value.shape) for name, value in shapes.items()}
    torch.save(dict(model=convert_state_dict(state, to='official')), path)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from tools.benchmarks.kept_parts import write_json
    from tools.benchmarks.machine import heading, markdown, provenance

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / 'swin-base.pth'
        if any('CHECKPOINT' in command for command in args.commands):
            write_checkpoint(checkpoint)
        programs = {statement: ['-c', statement] for statement in args.statements}
        programs.update({command: [str(checkpoint) if word == 'CHECKPOINT' else word for word in shlex.split(command)]
                         for command in args.commands})
        result = dict(rounds=args.rounds, **provenance('cpu'), rows=measure(programs, args.rounds))
    print(f"{heading(result, ('torch', 'mmengine', 'mmpretrain', 'mmsimmim'))}; {args.rounds} processes of each\n")
    print(markdown(['statement or command', 'seconds (quartiles)', 'CPU seconds', 'relative to the first'], [
        [f"`{row['statement']}`", f"{row['seconds']:.2f} ({row['quartiles'][0]:.2f}–{row['quartiles'][1]:.2f})",
         f"{row['core_seconds']:.2f}", f"{row['ratio']:.2f}"] for row in result['rows']]))
    if args.json:
        write_json(args.json, result)


if __name__ == '__main__':
    main()
