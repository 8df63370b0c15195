"""The number of GPUs from which the network between machines limits pre-training, calculated.

    python -m mmsimmim scaling configs/pretrain/*800e*.py --tflops 400
    python -m mmsimmim scaling configs/pretrain/*800e*.py --step-times throughput.json

Bytes that a step sends. DDP all-reduces gradients in a ring: each of n GPUs sends 2 (n - 1) / n times
the bytes of all gradients, float32, or bfloat16 with mmsimmim.CompressGradientsHook. mmsimmim.FSDPStrategy all-gathers
the float32 parameters for the forward and again for the backward pass, except in the latter those outside of the
encoder, and reduce-scatters the float32 gradients: (n - 1) / n times the bytes of each.

Time for it. Machines have 8 GPUs, between which sending costs nothing here; a ring enters and leaves each machine once,
so what a GPU sends crosses the machine's link once per step: bytes / bandwidth.

Time of the computation: images on the GPU x time per image. Time per image comes from the JSON file of
tools/benchmarks/step/throughput.py, or else is three forward passes (matrix products, attentions and convolutions, a
multiply-add being two operations) at the assumed rate of --tflops; four thirds of either for a config that recomputes
activations. It counts as independent of the number of images; with few on a GPU it rises, so that the network dominates
later than said here.

Communication dominates when it takes longer than all of the computation: even if both overlapped perfectly, the step
would wait for the network. It shows when it takes longer than what it can overlap with. For DDP that is the backward
pass; for FSDP the first all-gather overlaps with the forward, the rest with the backward pass. Numbers of GPUs are
multiples of 8, and begin with two machines.
"""

import argparse
import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..analysis.image_size import image_size, pipeline_of
from ..analysis.scaling import KINDS, Load, first_at_fixed_batch, first_to_dominate, first_to_show
from ..errors import UserError
from ..json_text import parse_json
from ..registry import MODELS
from .common.mistakes import report_mistakes
from .config.options import add_config_options


def load_of(cfg: Config, rows: list[dict], model: str, tflops: float) -> tuple[Load, str]:
    """Computation and communication of the training of a config, and the source of the time.

    Args:
        cfg (Config): Of a pre-training.
        rows (list[dict]): Measured steps.
        model (str): Whose steps count, such as ``'ours-compiled'``.
        tflops (float): 10^12 operations per second, for a config without a measured step.
    """
    import torch

    from ..engine.fsdp import BLOCKS, units_of

    init_default_scope(cfg.get('default_scope', 'mmengine'))
    with torch.device('meta'):
        network = MODELS.build(cfg.model)
    units = units_of(network, tuple((cfg.get('strategy') or {}).get('units', BLOCKS)))
    inner = {id(parameter) for unit in units[:-1] for parameter in unit.parameters()}
    parameters = list(network.parameters())
    accumulated = cfg.optim_wrapper.get('accumulative_counts', 1)
    recomputes = cfg.model.backbone.get('with_cp', False) is True  # 'cheap' recomputes no products
    seconds, source = measured(cfg, rows, model)
    if seconds is None:
        seconds, source = 3 * operations(cfg) / (tflops * 1e12), f'assumed: {tflops:g} TFLOP/s'
    return Load(sum(parameter.numel() for parameter in parameters),
                sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
                sum(parameter.numel() for parameter in parameters if id(parameter) not in inner),
                cfg.train_dataloader.batch_size * accumulated, seconds * 4 / 3 if recomputes else seconds, accumulated,
                recomputes), source


def measured(cfg: Config, rows: list[dict], model: str) -> tuple[float | None, str]:
    """Seconds per image, and what they were measured with; (None, '') if no row fits to a config."""
    found = re.match(r'simmim_(.+?)-[wp]\d+_', Path(cfg.filename).stem)
    dtype = cfg.optim_wrapper.get('dtype', 'float32') if cfg.optim_wrapper.type == 'AmpOptimWrapper' else 'float32'
    for row in rows:
        if found and (row['arch'], row['model'], row['dtype']) == (found[1], model, dtype):
            return row['step_ms'] / 1e3 / row['batch_size'], f"measured, batch {row['batch_size']}, {row['device']}"
    return None, ''


def operations(cfg: Config) -> float:
    """Operations of a forward pass of one image, a multiply-add being two; without memory for the weights."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    from ..analysis.flops import OnePass, build

    height, width = image_size(pipeline_of(cfg, 'train_dataloader'))
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def count_attention(query: tuple, key: tuple, value: tuple, *args: object, **options: object) -> int:
        return sdpa_flop_count(query, key, value)

    with without_memory(), torch.no_grad(), \
            FlopCounterMode(display=False, custom_mapping={attention: count_attention}) as counter:
        images = torch.empty(1, cfg.model.backbone.get('in_channels', 3), height, width)
        OnePass(build(cfg).eval(), images)(images)
    return counter.get_total_flops()


@contextmanager
def without_memory() -> Iterator[None]:
    """Let tensors have no values."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        yield


def make_tables(loads: dict[str, tuple[Load, str]], gigabits: list[float], total: int) -> str:
    """Markdown: a table of the configs, then one for each bandwidth."""
    rows = [['model', 'parameters', 'images per GPU', 'computation, ms', 'time of an image',
             *(f'{kind}: sent per GPU, MB' for kind in KINDS)]]
    for name, (load, source) in loads.items():
        rows.append([name, f'{load.parameters / 1e6:.0f}M', str(load.images), f'{1e3 * load.step:.0f}', source,
                     *(f'{load.communication(kind).total / 1e6:.0f}' for kind in KINDS)])
    tables = [_markdown(rows)]
    for rate in gigabits:
        bandwidth = rate * 1e9 / 8
        rows = [['model', 'sent as', 'sending, ms', 'shows from', 'dominates from', f'with {total} images in all from']]
        for name, (load, _) in loads.items():
            for kind in KINDS:
                volume = load.communication(kind)
                rows.append([name, kind, f'{1e3 * volume.total / bandwidth:.0f}',
                             _gpus(first_to_show(load, kind, bandwidth)),
                             _gpus(first_at_fixed_batch(volume, load.step, bandwidth)),
                             _gpus(first_to_dominate(volume, load.seconds, total, bandwidth))])
        tables.append(f'{rate:g} Gbit/s between machines; numbers of GPUs\n\n{_markdown(rows)}')
    return '\n\n'.join(tables)


def _markdown(rows: list[list[str]]) -> str:
    return '\n'.join(f'| {" | ".join(row)} |' for row in [rows[0], ['---'] * len(rows[0]), *rows[1:]])


def _gpus(number: int | None) -> str:
    return 'never' if number is None else str(number)


def read_rows(path: str | None) -> list[dict]:
    """Rows of the JSON file of throughput.py.

    Raises:
        UserError: It cannot be read, or holds something else.
    """
    if path is None:
        return []
    try:
        with open(path, encoding='utf-8') as file:
            rows = parse_json(file.read())['rows']
        for row in rows:
            row['arch'], row['model'], row['dtype'], row['device']
            if not 0 < row['batch_size'] / row['step_ms'] < math.inf:
                raise ValueError(f'{row["batch_size"]} images in {row["step_ms"]} ms')
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise UserError(f'--step-times {path} is no file of tools/benchmarks/step/throughput.py --json: '
                        f'{type(error).__name__}: {error}') from error
    return rows


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='+', help='config of a pre-training, or several')
    parser.add_argument('--step-times', metavar='FILE', help='JSON of tools/benchmarks/step/throughput.py')
    parser.add_argument('--model', default='ours-compiled', help='whose steps in it count (default: %(default)s)')
    parser.add_argument('--tflops', type=float, default=400., metavar='RATE',
                        help='assumed for models without a measured step, 10^12 operations/s (default: %(default)g)')
    parser.add_argument('--gigabits', type=float, nargs='+', default=[25, 400], metavar='RATE',
                        help='between machines, Gbit/s (default: 25 400)')
    parser.add_argument('--total', type=int, default=2048, help='images of all GPUs together (default: %(default)s)')
    add_config_options(parser, 'settings that replace those of the configs, e.g. model.backbone.arch=giant')
    args = parser.parse_args(argv)
    for name in ('tflops', 'gigabits', 'total'):
        value = getattr(args, name)
        if min(value if isinstance(value, list) else [value]) <= 0:
            parser.error(f'--{name} must be above 0')
    return args


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from .config.loading import load_config

    rows, loads = read_rows(args.step_times), {}
    for path in args.config:
        args.config = path
        cfg, messages = load_config(args, needed=('model', 'train_dataloader', 'optim_wrapper'))
        print(*messages, sep='\n', end='\n' if messages else '', file=sys.stderr)
        stem = Path(path).stem
        short = stem.removeprefix('simmim_').split('_')[0]
        loads[stem if short in loads else short] = load_of(cfg, rows, args.model, args.tflops)
    print(make_tables(loads, args.gigabits, args.total))

