"""What the trial of ``mmsimmim pretrain`` finds on this machine: largest batch, speed, how fast images are read.

    python tools/benchmarks/step/trial.py /data/aerial --arch swin-tiny swinv2-base

Nothing is trained or written, beside temporary files.
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from tools.benchmarks.kept_parts import write_json  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path, help='folder of images')
    parser.add_argument('--arch', nargs='+', default=['swin-tiny'], help='encoders (default: swin-tiny)')
    parser.add_argument('--images', type=int, default=2048, help='at a time, at most (default: %(default)s)')
    parser.add_argument('--devices', type=int, default=1)
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from mmsimmim.commands.pretraining.architectures import architecture
    from mmsimmim.commands.pretraining.choose import choose, cores, options_of, this_machine
    from mmsimmim.commands.pretraining.survey import survey
    from mmsimmim.commands.pretraining.trying import try_config
    from mmsimmim.commands.pretraining.write import write_config

    machine = this_machine(args.devices, None)
    rows = {}
    for name in args.arch:
        with tempfile.TemporaryDirectory() as folder:
            encoder = architecture(name)
            found = survey(dict(dataset_type='mmsimmim.ImageFolder', data_root=str(args.data.resolve())))
            options = {**found.options, **options_of(choose(found, encoder, machine), encoder)}
            config = write_config(encoder.config, options, Path(folder), [])
            trial = try_config(config, args.images, args.devices, cores(), machine.on_cpu)
        print(name, *trial.lines(trial.largest_batch), f'From the start to the first step: {trial.start_seconds:.0f} s',
              sep='\n', flush=True)
        rows[name] = dataclasses.asdict(trial)
        if args.json:
            write_json(args.json, rows)


if __name__ == '__main__':
    main()
