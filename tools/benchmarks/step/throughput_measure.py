"""What throughput.py runs: all contenders at all architectures, each with the same images and masks."""

import argparse
import gc
from collections.abc import Iterator
from typing import Any

import torch
import torch._inductor.config
from mmengine.registry import init_default_scope
from torch import Tensor

from mmsimmim.analysis.flops import count
from tools.benchmarks.kept_parts import write_json
from tools.benchmarks.machine import provenance
from tools.benchmarks.matrix_product import MatrixProduct
from tools.benchmarks.step.contenders import (
    COMPILED,
    Architecture,
    NotAvailable,
    architecture,
    build,
    build_ours,
    choose,
)
from tools.benchmarks.step.profile_step import profile_step
from tools.benchmarks.step.throughput_report import make_row
from tools.benchmarks.step.training_step import TrainingStep
from tools.benchmarks.stopwatch import take_turns

MASK_RATIO = 0.6
TRAINING_PASSES = 3  # forward, and backward to activations and to weights


def measure_all(args: argparse.Namespace) -> dict[str, Any]:
    """Time all contenders at all architectures, and keep what is finished in the file that the arguments name.

    Returns:
        dict: ``args``; ``machine``, ``versions`` and ``date``; ``peak_tflops`` by precision; ``gflop_per_image`` by
        architecture; ``rows`` and ``left_out``.
    """
    init_default_scope('mmpretrain')
    # a first step that finds compiled code on the disk is not a cold one
    torch._inductor.config.force_disable_caches = True
    result = dict(args={**vars(args), 'json': args.json and str(args.json)}, **provenance(args.device), peak_tflops={},
                  gflop_per_image={}, rows=[], left_out=[])
    for arch_name in args.arch:
        flops = training_flops(arch_name, architecture(arch_name, args.img_size, args.window))
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
    return result


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
    names, builders = choose(args.contenders, args.contender)
    arch = architecture(arch_name, args.img_size, args.window)
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
