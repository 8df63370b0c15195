"""Overhead of MMEngine's loop over the bare step of pre-training: hooks, log, schedule, optimizer wrapper.

    python tools/benchmarks/step/training_loop.py \
        configs/pretrain/simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py

Both train the same model with the same optimizer on one synthetic batch in memory, uint8 on the host, and alternate:
a number of steps of MMEngine's runner with all hooks of the config, then as many of the bare loop: preprocessor, loss,
backward, clipping, optimizer. What happens once per epoch (checkpoints, evaluation) is left out. A tiny model, whose
own work is short, comes first in any case. Each is timed a second time with the hook that MMEngine has for what a step
gave, which waits for the device and copies all earlier numbers; --history says how many there are.
"""

import argparse
import copy
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from tools.benchmarks.kept_parts import write_json  # noqa: E402
from tools.benchmarks.machine import choose_device, heading, markdown, provenance  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='*', type=Path, help='pre-training that counts in epochs, or several')
    parser.add_argument('--batch-size', type=int, help="images per step of these configs (default: the config's)")
    parser.add_argument('--steps', type=int, default=200, help='per turn; a multiple of the interval of the log '
                        'counts it as often as it comes (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=5, help='turns of each that count (default: %(default)s)')
    parser.add_argument('--history', type=int, default=0, metavar='STEPS', help='as if so many steps had been logged '
                        'before (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    args = parser.parse_args(argv)
    for name in ('batch_size', 'steps', 'rounds'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, got {getattr(args, name)}')
    if args.history < 0:
        parser.error(f'--history must be at least 0, got {args.history}')
    return args


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from mmsimmim.commands.config.loading import read_config
    from tools.benchmarks.step.training_loop_measure import measure, tiny_config

    configs = {'tiny': tiny_config()}
    for path in args.config:
        configs[path.stem] = cfg = read_config(str(path))
        cfg.train_dataloader.batch_size = args.batch_size or cfg.train_dataloader.batch_size
    result = dict(steps=args.steps, rounds=args.rounds, **provenance(choose_device()), rows=[])
    for name, cfg in configs.items():
        theirs = copy.deepcopy(cfg)
        theirs.default_hooks.runtime_info = dict(type='RuntimeInfoHook')
        for label, config in ((name, cfg), (f"{name}, MMEngine's hook", theirs)):
            result['rows'].append(measure(label, config, args))
            if args.json:
                write_json(args.json, result)
    print(f"{heading(result, ('torch', 'mmengine', 'mmpretrain', 'mmsimmim'))}; {args.rounds} turns of {args.steps} "
          f'steps of each, {args.history} steps logged before\n')
    print(table(result['rows']))


def table(rows: list[dict[str, Any]]) -> str:
    """What :func:`measure` gave, in Markdown."""
    head = ['model', 'images per step', 'bare step, ms', "MMEngine's loop, ms", 'added, ms (quartiles)', 'added']
    return markdown(head, [
        [row['model'], str(row['batch_size']), f"{row['bare_ms']:.2f}", f"{row['loop_ms']:.2f}",
         f"{row['adds_ms']:.2f} ({row['quartiles_ms'][0]:.2f}–{row['quartiles_ms'][1]:.2f})", f"{row['share']:+.1%}"]
        for row in rows])


if __name__ == '__main__':
    main()
