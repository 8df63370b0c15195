"""Time a step of SimMIM pre-training: this package, eager and compiled, beside mmpretrain's own, in one run.

A step is forward, loss, backward, clipping and AdamW on images in memory. The models take turns, so that a machine
that slows down slows all of them; the first steps are left out. Figures are medians, with the quartiles.

    python tools/benchmarks/throughput.py --arch base --batch-size 256 --dtype bfloat16 --compile
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch
from mmengine.registry import init_default_scope
from torch import Tensor, nn

import mmsimmim  # noqa: F401
from mmsimmim.registry import MODELS

WINDOWS = dict(tiny=6, small=6, base=6, large=12)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--arch', choices=WINDOWS, default='tiny', help='Swin Transformer (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=8, help='images per step (default: %(default)s)')
    parser.add_argument('--dtype', choices=['float32', 'bfloat16'], default='float32', help='autocast to this')
    parser.add_argument('--compile', action='store_true', help='time torch.compile of ours and of theirs, too')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--steps', type=int, default=20, help='timed steps of each model (default: %(default)s)')
    parser.add_argument('--warmup', type=int, default=3, help='steps before (default: %(default)s)')
    parser.add_argument('--json', metavar='FILE', help='also write the figures here')
    return parser.parse_args()


def build_ours(arch: str) -> nn.Module:
    channels = MODELS.get('mmsimmim.SwinTransformer')(arch).embed_dims * 8
    return MODELS.build(
        dict(
            type='mmsimmim.SimMIM',
            backbone=dict(type='mmsimmim.SwinTransformer', arch=arch, img_size=192, window_size=WINDOWS[arch],
                          drop_path_rate=0.0),
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=channels, encoder_stride=32),
            head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                      loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'))))


def build_mmpretrain(arch: str) -> nn.Module:
    """mmpretrain's, with the windows of the official network."""
    windows = [min(WINDOWS[arch], 192 // (4 * 2**stage)) for stage in range(4)]
    channels = MODELS.get('mmsimmim.SwinTransformer')(arch).embed_dims * 8
    return MODELS.build(
        dict(
            type='mmpretrain.SimMIM',
            backbone=dict(type='mmpretrain.SimMIMSwinTransformer', arch=arch, img_size=192, drop_path_rate=0.0,
                          stage_cfgs=[dict(block_cfgs=dict(window_size=window)) for window in windows]),
            neck=dict(type='mmpretrain.SimMIMLinearDecoder', in_channels=channels, encoder_stride=32),
            head=dict(type='mmpretrain.SimMIMHead', patch_size=4,
                      loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L1', channel=3))))


def masked_loss(model: nn.Module, images: Tensor, mask: Tensor) -> Tensor:
    """The loss of either model on tensors: images (B, 3, 192, 192), mask (B, 48, 48)."""
    return model.head.loss(model.neck(model.backbone(images, mask)[-1]), images, mask)


class Contender:
    """A model, its optimizer, and the times of its steps."""

    def __init__(self, model: nn.Module, compiled: bool, args: argparse.Namespace) -> None:
        self.model = model.to(args.device).train()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=args.device != 'cpu')
        self.loss: Callable[..., Tensor] = torch.compile(masked_loss, fullgraph=True) if compiled else masked_loss
        self.autocast = torch.autocast(torch.device(args.device).type, torch.bfloat16, args.dtype == 'bfloat16')
        self.seconds: list[float] = []
        self.peak_bytes = 0

    def step(self, images: Tensor, mask: Tensor) -> None:
        with self.autocast:
            loss = self.loss(self.model, images, mask)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()

    def timed_step(self, images: Tensor, mask: Tensor) -> None:
        synchronize(images.device)
        if images.is_cuda:
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        self.step(images, mask)
        synchronize(images.device)
        self.seconds.append(time.perf_counter() - start)
        if images.is_cuda:
            self.peak_bytes = torch.cuda.max_memory_allocated()


def synchronize(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize()


def make_batch(args: argparse.Namespace) -> tuple:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(args.batch_size, 3, 192, 192, generator=generator)
    cells = torch.stack([torch.randperm(36, generator=generator) < 22 for _ in range(args.batch_size)])
    mask = cells.reshape(-1, 6, 6).repeat_interleave(8, 1).repeat_interleave(8, 2)
    return images.to(args.device), mask.to(args.device)


def measure(args: argparse.Namespace) -> dict[str, Contender]:
    init_default_scope('mmpretrain')
    contenders = {}
    for name, build in (('mmsimmim', build_ours), ('mmpretrain', build_mmpretrain)):
        for compiled in (False, True) if args.compile else (False, ):
            torch.manual_seed(0)
            contenders[name + (', compiled' if compiled else '')] = Contender(build(args.arch), compiled, args)
    batch = make_batch(args)
    for contender in contenders.values():
        for _ in range(args.warmup):
            contender.step(*batch)
    for _ in range(args.steps):
        for contender in contenders.values():
            contender.timed_step(*batch)
    return contenders


def report(contenders: dict[str, Contender], args: argparse.Namespace) -> list[dict]:
    reference = statistics.median(contenders['mmpretrain'].seconds)
    rows = []
    for name, contender in contenders.items():
        low, median, high = statistics.quantiles(contender.seconds, n=4)
        rows.append(dict(model=name, images_per_second=args.batch_size / median, step_ms=1e3 * median,
                         quartiles_ms=[1e3 * low, 1e3 * high], times_mmpretrain=reference / median,
                         peak_gib=contender.peak_bytes / 2**30))
    return rows


def main() -> None:
    args = parse_args()
    rows = report(measure(args), args)
    machine = torch.cuda.get_device_name() if args.device.startswith('cuda') else \
        f'{platform.machine()} CPU, {torch.get_num_threads()} threads'
    print(f'Swin-{args.arch}, 192 px, batch {args.batch_size}, {args.dtype}; {machine}; torch {torch.__version__}\n')
    print('| model | images / s | step, ms (quartiles) | times mmpretrain eager | peak memory, GiB |')
    print('| --- | --- | --- | --- | --- |')
    for row in rows:
        low, high = row['quartiles_ms']
        memory = f"{row['peak_gib']:.1f}" if row['peak_gib'] else '–'
        print(f"| {row['model']} | {row['images_per_second']:.1f} | {row['step_ms']:.0f} ({low:.0f}–{high:.0f}) | "
              f"{row['times_mmpretrain']:.2f} | {memory} |")
    if args.json:
        with open(args.json, 'w') as file:
            json.dump(dict(args=vars(args), machine=machine, torch=torch.__version__, rows=rows), file, indent=2)


if __name__ == '__main__':
    main()
