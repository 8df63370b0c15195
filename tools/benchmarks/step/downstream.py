"""Time Mask R-CNN and UPerNet with this package's Swin beside mmdet's and mmsegmentation's own, in one run.

    python tools/benchmarks/step/downstream.py --arch base --dtype bfloat16 --device cuda --compile

The models are those of the shipped configs; both Swins have the same random weights, see the same synthetic images and
labels, and alternate. Training: forward, losses, backward, clipping and fused AdamW; a detector's first stage
proposes boxes near the objects, as after some training, instead of those of random weights. Inference:
from normalised images to boxes, masks and label maps; random weights find few objects or none, so that what is made
of objects counts little. The first steps are left out. Figures are medians, with the quartiles. The losses of both
before the first step, in the precision of the run, are printed.

--compile adds ours compiled as training does it, and the framework's with its backbone compiled (dynamic=False).
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from tools.benchmarks.kept_parts import write_json  # noqa: E402
from tools.benchmarks.machine import choose_device, heading, provenance  # noqa: E402
from tools.benchmarks.step.downstream_models import ARCHS, TASKS  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--task', nargs='+', choices=TASKS, default=list(TASKS), help='(default: both)')
    parser.add_argument('--arch', choices=ARCHS, default='tiny', help='Swin Transformer (default: %(default)s)')
    parser.add_argument('--size', type=int, metavar='PIXELS', help='side of the images (default: det 1024, seg 512)')
    parser.add_argument('--batch-size', type=int, help='images per step (default: det 4, seg 8)')
    parser.add_argument('--dtype', choices=['float32', 'bfloat16'], default='float32', help='autocast to this')
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: cuda if there is one)')
    parser.add_argument('--compile', action='store_true', help='also time compiled models')
    parser.add_argument('--steps', type=int, default=20, help='timed steps of each model (default: %(default)s)')
    parser.add_argument('--warmup', type=int, default=3, help='steps before (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    args = parser.parse_args(argv)
    for name in ('size', 'batch_size', 'steps', 'warmup'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, got {getattr(args, name)}')
    if 'seg' in args.task and args.batch_size == 1:
        parser.error('--batch-size 1: UPerNet pools an image to one pixel, of which batch norm needs two; take 2, or '
                     '--task det')
    return args


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    args.device = choose_device(args.device)
    import torch
    import torch._inductor.config

    from tools.benchmarks.step.downstream_measure import measure
    from tools.benchmarks.step.downstream_report import print_result

    # a first step that finds compiled code on the disk is not a cold one
    torch._inductor.config.force_disable_caches = True
    result = dict(args={**vars(args), 'json': args.json and str(args.json)}, **provenance(args.device), tasks=[])
    print(heading(result, ('torch', 'mmdet', 'mmsegmentation', 'mmcv', 'mmcv-lite', 'mmsimmim')))
    for name in args.task:
        result['tasks'].append(measure(name, args))
        print_result(result['tasks'][-1], TASKS[name].title)
        torch.compiler.reset()
        if args.json:
            write_json(args.json, result)


if __name__ == '__main__':
    main()
