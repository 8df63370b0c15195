"""What `import mmsimmim` adds to `import mmpretrain`, in processes of their own that take turns.

Needs no arguments. The start of Python is left out, and so is the first round, which fills the disk's cache.
"""

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.kept_parts import write_json  # noqa: E402
from tools.benchmarks.machine import heading, markdown, provenance  # noqa: E402
from tools.benchmarks.stopwatch import quartiles, take_turns  # noqa: E402

STATEMENTS = ('import mmpretrain', 'import mmpretrain; import mmsimmim')
TIMED = 'import time; begin = time.perf_counter(); {}; print("seconds:", time.perf_counter() - begin)'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=10, help='timed processes of each (default: %(default)s)')
    parser.add_argument('--statements', nargs='+', default=STATEMENTS, metavar='CODE',
                        help='what is timed; the first is what the others are compared to (default: see above)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error(f'--rounds must be at least 1, got {args.rounds}')
    return args


def seconds_of(statement: str) -> float:
    """Seconds that a statement takes in a fresh process, the start of Python left out.

    Raises:
        UserError: It fails.
    """
    process = subprocess.run([sys.executable, '-W', 'ignore', '-c', TIMED.format(statement)],
                             cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True)
    if process.returncode:
        raise UserError(f'{statement!r} fails:\n{process.stderr}')
    return float(process.stdout.rsplit('seconds:', 1)[1])


def measure(statements: list[str], rounds: int) -> list[dict]:
    """Time each statement.

    Returns:
        list[dict]: ``statement``, ``seconds``, ``quartiles``, and ``adds`` and ``share``, the difference to the first
        in seconds and relative to it.
    """
    seconds = {statement: [] for statement in statements}
    take_turns([lambda statement=statement: seconds_of(statement) for statement in statements], 1)
    take_turns([lambda statement=statement: seconds[statement].append(seconds_of(statement))
                for statement in statements], rounds)
    first = quartiles(seconds[statements[0]])[1]
    rows = []
    for statement, measured in seconds.items():
        low, median, high = quartiles(measured)
        rows.append(dict(statement=statement, seconds=median, quartiles=[low, high], adds=median - first,
                         share=median / first - 1))
    return rows


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    result = dict(rounds=args.rounds, **provenance('cpu'), rows=measure(list(args.statements), args.rounds))
    print(f"{heading(result, ('torch', 'mmengine', 'mmpretrain', 'mmsimmim'))}; {args.rounds} processes of each\n")
    print(markdown(['statement', 'seconds (quartiles)', 'more than the first, s', 'relative'], [
        [f"`{row['statement']}`", f"{row['seconds']:.2f} ({row['quartiles'][0]:.2f}–{row['quartiles'][1]:.2f})",
         f"{row['adds']:+.2f}", f"{row['share']:+.1%}"] for row in result['rows']]))
    if args.json:
        write_json(args.json, result)


if __name__ == '__main__':
    main()
