"""Attack the program for as long as one likes: ``python -m tests.attack [SUBJECT ...] --tries N --seed S``."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from .outcomes import FAULTS, Attempt, table

# Each is a module here with ``attack(seed, tries, folder)``, which yields an Attempt per try.
SUBJECTS = ('files', 'checkpoints', 'values', 'kills', 'preemption')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('subjects', nargs='*', metavar='SUBJECT', help=f'of {", ".join(SUBJECTS)}; without any, all')
    parser.add_argument('--tries', type=int, default=100, help='of each subject')
    parser.add_argument('--seed', type=int, default=0, help='another seed tries other damage')
    parser.add_argument('--out', type=Path, help='write all attempts as JSON here')
    args = parser.parse_args()
    if unknown := set(args.subjects) - set(SUBJECTS):
        parser.error(f'unknown: {", ".join(sorted(unknown))}; there are {", ".join(SUBJECTS)}')
    return args


def main() -> None:
    """Run the campaign, print its table and every fault, and end with status 1 if there was one."""
    args = parse_args()
    attempts = []
    for subject in args.subjects or SUBJECTS:
        for attempt in run(subject, args.seed, args.tries):
            attempts.append(attempt)
            if args.out:  # a campaign may be ended at any time
                rows = [attempt._asdict() for attempt in attempts]
                args.out.write_text(json.dumps(rows, indent=1), encoding='utf-8')
    print(table(attempts))
    sys.exit(int(any(attempt.outcome in FAULTS for attempt in attempts)))


def run(subject: str, seed: int, tries: int) -> Iterator[Attempt]:
    """All attempts of a subject; faults are printed as they are found."""
    number = 0
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='attack-') as folder:
        for attempt in import_module(f'.{subject}', __package__).attack(seed, tries, Path(folder)):
            number += 1
            if attempt.outcome in FAULTS:
                print(f'{attempt.outcome.value}: {attempt.subject}, {attempt.name}\n{attempt.detail}\n', flush=True)
            yield attempt
    print(f'{subject}: {number} attempts in {time.monotonic() - begin:.0f} s\n', flush=True)


if __name__ == '__main__':
    main()
