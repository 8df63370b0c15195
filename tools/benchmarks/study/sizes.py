"""How long, how fast and in what batches a folder of a few hundred images is pre-trained.

Sweeps numbers of images, steps, learning rates, batches and masks with encoders of a million parameters at 64 px, and
measures each: masked L1 on held-out images, kNN and linear probes on frozen features, and of microscopy how well tokens
tell the share of nuclei in them. Each finished run is a line of OUT/runs.jsonl, so that the same command carries on
after an interruption. --report writes the tables and plots of what is there.
"""

import argparse
import json
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.threads import limit_thread_spinning  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.study.sizes_runs import Run, all_runs  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('photos', type=Path, metavar='PHOTOS_DIR', help='train/ and validation/, a folder per class')
    parser.add_argument('nuclei', type=Path, metavar='NUCLEI_DIR',
                        help='images/ and labels/, each with train/ and val/')
    parser.add_argument('--out', type=Path, required=True, help='folder for everything that is made')
    parser.add_argument('--report', action='store_true', help='run nothing: tables and plots of what is finished')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    limit_thread_spinning()
    logging.getLogger('PIL').setLevel(logging.WARNING)
    roots = dict(photos=args.photos, nuclei=args.nuclei)
    try:
        if not args.report:
            run_all(all_runs(), roots, args.out)
        report(args.out)
    except UserError as error:
        sys.exit(str(error))


def run_all(runs: list[Run], roots: dict[str, Path], out: Path) -> None:
    """Run what is not yet there, a line of ``out/runs.jsonl`` each."""
    from tools.benchmarks.machine import provenance
    from tools.benchmarks.study.sizes_training import train_and_measure

    for name, root in roots.items():
        if not root.is_dir():
            raise UserError(f'{root}, the folder of the {name}, does not exist.')
    out.mkdir(parents=True, exist_ok=True)
    (out / 'provenance.json').write_text(json.dumps(provenance('cpu'), indent=2))
    done = {_key(line) for line in read_lines(out)}
    for number, run in enumerate(runs, 1):
        if run.key in done:
            continue
        begin = time.time()
        line = train_and_measure(run, roots[run.data], out / 'work' / f'{number:03d}')
        with (out / 'runs.jsonl').open('a') as file:
            file.write(json.dumps(line) + '\n')
        print(f'{number}/{len(runs)}, {time.time() - begin:.0f} s: {line}', flush=True)


def report(out: Path) -> None:
    """Write and print the tables, and draw what is there."""
    from tools.benchmarks.machine import heading
    from tools.benchmarks.study.sizes_report import Runs, draw, tables

    runs = Runs(read_lines(out))
    text = '\n\n'.join([heading(json.loads((out / 'provenance.json').read_text())), tables(runs)])
    (out / 'results.md').write_text(text)
    draw(runs, out)
    print(text)


def read_lines(out: Path) -> list[dict]:
    """The finished runs; a line that was cut off by an interruption is run again."""
    path = out / 'runs.jsonl'
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith('}')]


def _key(line: dict) -> tuple:
    return Run(**{name: line[name] for name in Run.__dataclass_fields__}).key


if __name__ == '__main__':
    main()
