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
import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import torch  # noqa: E402
import torch._inductor.config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from torch import Tensor  # noqa: E402

import mmsimmim  # noqa: E402, F401
from mmsimmim.analysis.flops import count  # noqa: E402
from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.kept_parts import write_json  # noqa: E402
from tools.benchmarks.machine import provenance, require_device  # noqa: E402
from tools.benchmarks.step.contenders import (  # noqa: E402
    ARCHITECTURES,
    BUILDERS,
    COMPILED,
    RECOMPUTING,
    Architecture,
    NotAvailable,
    build,
    build_ours,
    parse_contender,
)
from tools.benchmarks.step.matrix_product import MatrixProduct  # noqa: E402
from tools.benchmarks.step.profile_step import profile_step  # noqa: E402
from tools.benchmarks.step.throughput_report import make_row, print_report  # noqa: E402
from tools.benchmarks.step.training_step import TrainingStep  # noqa: E402
from tools.benchmarks.stopwatch import take_turns  # noqa: E402

MASK_RATIO = 0.6
TRAINING_PASSES = 3  # forward, and backward to activations and to weights


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    parser.add_argument('--arch', nargs='+', choices=ARCHITECTURES, default=['swin-tiny'], metavar='ARCH',
                        help=f'one or more of {", ".join(ARCHITECTURES)} (default: swin-tiny)')
    parser.add_argument('--batch-size', type=int, default=8, help='images per step (default: %(default)s)')
    parser.add_argument('--img-size', type=int, metavar='PIXELS', help='side of the images (default: 192; ViT: 224)')
    parser.add_argument('--dtype', nargs='+', choices=['float32', 'bfloat16'], default=['float32'],
                        help='autocast to this (default: float32)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--contenders', nargs='+', metavar='NAME',
                        help=f'(default: all, {", ".join(BUILDERS)}, each also with {COMPILED} behind it; besides '
                             f'{", ".join(RECOMPUTING)}: ours recomputing, see with_cp)')
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


def choose(args: argparse.Namespace) -> tuple[list[str], dict[str, Callable]]:
    """Names of the contenders, and how each is built.

    Raises:
        UserError: A name is unknown.
    """
    unasked = {**BUILDERS, **dict(map(parse_contender, args.contender))}
    builders = {**BUILDERS, **RECOMPUTING, **unasked}
    everyone = [name + end for name in builders for end in ('', COMPILED)]
    for name in args.contenders or ():
        if name not in everyone:
            raise UserError(f'--contenders: {name!r} is none of {", ".join(everyone)}; --contender adds others.')
    return args.contenders or [name + end for name in unasked for end in ('', COMPILED)], builders


def architecture(name: str, img_size: int | None) -> Architecture:
    """An architecture for images of a size.

    Raises:
        UserError: What is masked together does not tile the image.
    """
    arch = ARCHITECTURES[name]
    arch = replace(arch, img_size=img_size or arch.img_size)
    if arch.img_size < 1 or arch.img_size % arch.mask_patch:
        raise UserError(f'--img-size {arch.img_size}: {name} takes multiples of {arch.mask_patch} pixels.')
    return arch


def make_batch(arch: Architecture, batch_size: int, device: str) -> tuple[Tensor, Tensor]:
    """Images (B, 3, H, W), standard normal, and masks (B, H / patch, W / patch), bool, 60 % of them masked."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, 3, arch.img_size, arch.img_size, generator=generator)
    side, repeat = arch.img_size // arch.mask_patch, arch.mask_patch // arch.patch
    order = torch.rand(batch_size, side * side, generator=generator).argsort(dim=1).argsort(dim=1)
    cells = (order < MASK_RATIO * side * side).reshape(-1, side, side)
    return images.to(device), cells.repeat_interleave(repeat, 1).repeat_interleave(repeat, 2).to(device)


def training_flops(name: str, arch: Architecture) -> float:
    """Operations of a training step per image, a multiply-add being two; the same for all contenders."""
    cost = count(build_ours(name, arch).model, (arch.img_size, arch.img_size))
    return 2 * TRAINING_PASSES * cost.flops


def start(names: list[str], builders: dict, arch_name: str, dtype: str, batch: tuple, arch: Architecture,
          args: argparse.Namespace) -> Iterator[tuple[str, TrainingStep | str]]:
    """Build each contender and warm it up; where that cannot be done, the reason stands in its place."""
    for name in names:
        try:
            contender = build(name, arch_name, arch, builders, args.compile_backend)
            step = TrainingStep(contender.model, contender.loss, args.device, getattr(torch, dtype))
            step.warm_up(batch, args.warmup)
        except NotAvailable as error:
            yield name, str(error)
        except Exception as error:  # noqa: BLE001  (whatever one does wrong must not end the comparison)
            yield name, f'{type(error).__name__}: {(str(error).splitlines() or [""])[0]}'
        else:
            yield name, step
        contender = step = None
        release(args.device)


def release(device: str) -> None:
    """Give back the memory of what is gone."""
    gc.collect()
    if torch.device(device).type == 'cuda':
        torch.cuda.empty_cache()


def measure(arch_name: str, flops: float, args: argparse.Namespace) -> tuple[list[dict], list[dict], dict[str, float]]:
    """Time all contenders at one architecture, in all precisions by turns.

    Returns:
        tuple[list[dict], list[dict], dict[str, float]]: Rows, contenders that are left out with the reason, and 10^12
        operations per second of the largest matrix product in each precision.
    """
    names, builders = choose(args)
    arch = architecture(arch_name, args.img_size)
    batch = make_batch(arch, args.batch_size, args.device)
    started = {(dtype, name): step for dtype in args.dtype
               for name, step in start(names, builders, arch_name, dtype, batch, arch, args)}
    where = {(dtype, name): dict(model=name, arch=arch_name, batch_size=args.batch_size, img_size=arch.img_size,
                                 dtype=dtype, device=args.device) for dtype, name in started}
    left_out = [dict(where[key], reason=step) for key, step in started.items() if isinstance(step, str)]
    steps = {key: step for key, step in started.items() if not isinstance(step, str)}
    products = {dtype: MatrixProduct(args.device, getattr(torch, dtype)) for dtype in args.dtype}
    take_turns([*(product.timed for product in products.values()),
                *(lambda step=step: step.timed(batch) for step in steps.values())], args.steps)
    rows = [make_row(where[dtype, name], step, steps.get((dtype, 'mmpretrain')), steps.get(('float32', name)), flops,
                     products[dtype].tflops, compiled=name.endswith(COMPILED)) for (dtype, name), step in steps.items()]
    if args.profile:
        for row, step in zip(rows, steps.values()):
            row['profile'] = profile_step(step, batch, row['model'].endswith(COMPILED))
    return rows, left_out, {dtype: product.tflops for dtype, product in products.items()}


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_device(args.device)
    choose(args)
    init_default_scope('mmpretrain')
    # a first step that finds compiled code on the disk is not a cold one
    torch._inductor.config.force_disable_caches = True
    result = dict(args={**vars(args), 'json': args.json and str(args.json)}, **provenance(args.device), peak_tflops={},
                  gflop_per_image={}, rows=[], left_out=[])
    for arch_name in args.arch:
        flops = training_flops(arch_name, architecture(arch_name, args.img_size))
        result['gflop_per_image'][arch_name] = flops / 1e9
        rows, left_out, peaks = measure(arch_name, flops, args)
        result['rows'] += rows
        result['left_out'] += left_out
        for dtype, peak in peaks.items():
            result['peak_tflops'][dtype] = max(peak, result['peak_tflops'].get(dtype, 0))
        torch.compiler.reset()
        release(args.device)
        if args.json:
            write_json(args.json, result)
    print_report(result)
    if failed := [row for row in result['left_out'] if row['model'].removesuffix(COMPILED) == 'ours']:
        raise UserError('; '.join(f"{row['model']}, {row['arch']}: {row['reason']}" for row in failed))


if __name__ == '__main__':
    main()
