"""Time a step of SimMIM pre-training: this package beside mmpretrain and Hugging Face, eager and compiled, in one run.

    python tools/benchmarks/step/throughput.py --arch swin-base --batch-size 256 --dtype bfloat16 --device cuda

A step is forward, loss, backward, clipping and fused AdamW on images in memory. Models and precisions alternate, the
first steps are left out; figures are medians, with the quartiles. All see the same images and masks. Weights are
random.

Share of peak: the arithmetic of a step, for all models of an architecture what one forward of ours takes
(tools/analysis_tools/get_flops.py: matrix products and attentions, counted once, a multiply-add being two operations)
times three; over the rate of the largest matrix product, measured between the steps in the same precision.

Peak memory: a model's weights and moments and what its step adds to them; the others' are not in it. CUDA only.

Any other implementation can take part: --contender NAME=module:callable, with a callable that maps the name of an
architecture and the side of the images (pixels) to a module, which maps images (B, 3, H, W) and masks
(B, H / patch, W / patch), bool, 1 = masked, to the loss. Then NAME-compiled is one, too.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.machine import choose_device  # noqa: E402
from tools.benchmarks.step.contenders import (  # noqa: E402
    ARCHITECTURES,
    BUILDERS,
    COMPILED,
    RECOMPUTING,
    architecture,
    choose,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    parser.add_argument('--arch', nargs='+', choices=ARCHITECTURES, default=['swin-tiny'], metavar='ARCH',
                        help=f'one or more of {", ".join(ARCHITECTURES)} (default: swin-tiny)')
    parser.add_argument('--batch-size', type=int, default=8, help='images per step (default: %(default)s)')
    parser.add_argument('--img-size', type=int, metavar='PIXELS', help='side of the images (default: 192; ViT: 224)')
    parser.add_argument('--window', type=int, metavar='TOKENS', help='side of the windows')
    parser.add_argument('--dtype', nargs='+', choices=['float32', 'bfloat16'], default=['float32'],
                        help='autocast to this (default: float32)')
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: cuda if there is one)')
    parser.add_argument('--contenders', nargs='+', metavar='NAME',
                        help=f'(default: all, {", ".join(BUILDERS)}, each also with {COMPILED} behind it; besides '
                             f'{", ".join(RECOMPUTING)}: ours recomputing (with_cp), in sequence (two stages))')
    parser.add_argument('--contender', action='append', default=[], metavar='NAME=module:callable',
                        help='another implementation; can be given several times')
    parser.add_argument('--steps', type=int, default=20, help='timed steps of each model (default: %(default)s)')
    parser.add_argument('--warmup', type=int, default=3, help='steps before (default: %(default)s)')
    parser.add_argument('--compile-backend', default='inductor', help='of torch.compile (default: %(default)s)')
    parser.add_argument('--profile', action='store_true', help='also say what takes the time: operations and modules')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    args = parser.parse_args(argv)
    for name in ('batch_size', 'steps', 'warmup'):
        if getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, got {getattr(args, name)}')
    return args


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    choose(args.contenders, args.contender)
    for name in args.arch:
        architecture(name, args.img_size, args.window)
    args.device = choose_device(args.device)
    from tools.benchmarks.step.throughput_measure import measure_all
    from tools.benchmarks.step.throughput_report import print_report

    result = measure_all(args)
    print_report(result)
    if failed := [row for row in result['left_out'] if row['model'].removesuffix(COMPILED) == 'ours']:
        raise UserError('; '.join(f"{row['model']}, {row['arch']}: {row['reason']}" for row in failed))


if __name__ == '__main__':
    main()
