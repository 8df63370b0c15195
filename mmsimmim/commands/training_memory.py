r"""Training memory per GPU of a config.

Without --step it is the memory of weights, gradients and optimizer state, from parameter counts:

    python -m mmsimmim training_memory configs/pretrain/simmim_swinv2-huge-*-800e_*.py --gpus 8 16

With --step it includes the activations, of a real step on a synthetic batch of the size that the config trains on:

    python -m mmsimmim training_memory configs/det/mask-rcnn_swin-base-*-1x_*.py --step --with-cp

--sequential-stages compares likewise, without and with attention in one group of windows after another. With --fit, the
memory of GPUs in GB, it is said from how many of them the model fits:

    python -m mmsimmim training_memory configs/det/htc_swinv2-giant-*_coco-*.py --step --fit 80 141 \
        --sequential-stages 0 1

On a GPU that is the peak of PyTorch's allocator during forward and backward pass. Without one it is an estimate of it:
the step runs on the CPU with fake tensors, saves the activations that a GPU's attention and autocast save, and live
bytes are counted. Workspaces of kernels (cuDNN), rounding and fragmentation come on top. Where a batch has tall and
wide images, all are padded to the larger sides: --shape.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..analysis.image_size import image_size, pipeline_of
from ..errors import UserError
from ..registry import MODELS
from .common.mistakes import report_mistakes
from .config.options import add_config_options

if TYPE_CHECKING:
    from torch import nn

    from ..analysis.memory.step_memory import Step

GIB = 2**30
# Bytes per parameter. Under mixed precision weights, gradients and moments stay in float32.
PARAMETERS, GRADIENTS, MOMENTS = 4, 4, 8
STATE = PARAMETERS + GRADIENTS + MOMENTS
AUTOCAST = 2  # copies in bfloat16 that autocast keeps during a step, at most of all parameters
BUCKETS = 4  # DistributedDataParallel's buckets, a copy of the gradients unless these are views of them
# What the model zoos measured on GPUs was up to a sixth more than estimated: kernels have workspaces of their own.
MARGIN = 7 / 6


@dataclass
class Size:
    """How large a model is.

    Args:
        parameters (int): All parameters.
        largest_unit (int): Parameters of the largest unit that FSDPStrategy puts together for its turn alone.
        outer_units (int): Parameters outside of these, which stay put together for the whole step. Defaults to 0.
        activations (int, optional): Bytes of a step beside weights and gradients, autocast's copies of the weights
            included. Defaults to None: no more than those copies are counted.
        views (bool): Gradients of DistributedDataParallel live in its buckets (``gradient_as_bucket_view``). Defaults
            to False.
    """

    parameters: int
    largest_unit: int
    outer_units: int = 0
    activations: int | None = None
    views: bool = False

    def bytes_when_replicated(self) -> int:
        """Bytes per GPU if each has all of the model (DistributedDataParallel)."""
        buckets = 0 if self.views else BUCKETS
        return (STATE + buckets) * self.parameters + self._of_the_step()

    def bytes_when_sharded(self, gpus: int) -> int:
        """Bytes per GPU if the model is sharded (FSDPStrategy).

        Beyond the shard there are two full units, one in use and one prefetched, and twice the gradient of
        one, as it is computed and as it is sent. Of what is in none of these units all parameters and gradients are
        full until the end of the backward pass.
        """
        return STATE * -(-self.parameters // gpus) + self._beyond_the_shard()

    def gpus_needed(self, gigabytes: float) -> int | None:
        """The number of GPUs of a memory (GB) from which the model fits, sharded, with a margin; None if it never does.

        A single one has no buckets.
        """
        room = gigabytes * 1e9 / MARGIN
        if STATE * self.parameters + self._of_the_step() <= room:
            return 1
        room -= self._beyond_the_shard()
        return max(2, math.ceil(STATE * self.parameters / room)) if room > 0 else None

    def _beyond_the_shard(self) -> int:
        units = (2 * PARAMETERS + 2 * GRADIENTS) * self.largest_unit + (PARAMETERS + GRADIENTS) * self.outer_units
        return units + self._of_the_step()

    def _of_the_step(self) -> int:
        return AUTOCAST * self.parameters if self.activations is None else self.activations

    def checkpoint(self) -> int:
        """Bytes of a checkpoint with the state of the optimizer."""
        return (PARAMETERS + MOMENTS) * self.parameters


def measure(model: nn.Module, blocks: tuple[str, ...] | None = None) -> Size:
    """Count the parameters of a model, which may be on the meta device.

    Args:
        model (nn.Module): The model.
        blocks (tuple[str], optional): ``units`` of FSDPStrategy. Defaults to None: the strategy's own.

    Returns:
        Size: Its size.
    """
    from ..engine.fsdp import BLOCKS, units_of

    units = units_of(model, blocks or BLOCKS)
    seen, inner, outer = set(), [], 0
    for unit in units:
        own = [parameter for parameter in unit.parameters() if id(parameter) not in seen]
        seen.update(map(id, own))
        size = sum(parameter.numel() for parameter in own)
        if any(part is not unit and part in units for part in unit.modules()):
            outer += size
        else:
            inner.append(size)
    return Size(sum(inner) + outer, max(inner), outer)


def step_of(cfg: Config, args: argparse.Namespace) -> Step:
    """The step that a config trains with, unless the arguments say otherwise.

    Raises:
        UserError: If the config does not tell the size of the images, or their number.
    """
    from ..analysis.memory.step_memory import Step

    shape = tuple(args.shape) if args.shape else image_size(pipeline_of(cfg, 'train_dataloader'))
    number = args.images_per_gpu or (cfg.get('train_dataloader') or {}).get('batch_size')
    if shape is None:
        raise UserError('The pipeline in train_dataloader does not tell the size of the images: give --shape HEIGHT '
                        'WIDTH.')
    if number is None:
        raise UserError('train_dataloader has no batch_size: give --images-per-gpu.')
    return Step(shape, number)


def variants(cfg: Config, name: str, with_cp: bool, sequential_stages: list[int] | None) -> dict[str, Config]:
    """The config, or without and with each of recomputation (``with_cp``) and sequential attention in its encoder."""
    choices = dict(with_cp=(False, True)) if with_cp else {}
    if sequential_stages:
        choices['sequential_stages'] = ((), tuple(sequential_stages))
    found = {}
    for values in itertools.product(*choices.values()):
        settings = dict(zip(choices, values))
        variant = copy.deepcopy(cfg)
        variant.model.backbone.update(settings)
        found[', '.join([name, *(f'{key}={value}' for key, value in settings.items())])] = variant
    return found


def make_table(sizes: dict[str, Size], gpus: list[int], steps: dict[str, Step] | None = None,
               fit: list[float] = ()) -> str:
    """Markdown with a row per model; memory in GiB, but that of the GPUs it is to ``fit`` in GB."""
    steps = steps or {}
    of_step = ['image', 'images', 'activations'] if steps else []
    head = ['model', 'parameters', *of_step, 'a copy on each GPU', *(f'sharded over {number} GPUs' for number in gpus),
            'checkpoint', *(f'GPUs of {gigabytes:g} GB' for gigabytes in fit)]
    rows = []
    for name, size in sizes.items():
        numbers = [size.bytes_when_replicated(), *map(size.bytes_when_sharded, gpus), size.checkpoint()]
        row = [name, f'{size.parameters / 1e6:.0f}M']
        if steps:
            height, width = steps[name].shape
            row += [f'{width} x {height}', str(steps[name].num_images)]
            numbers.insert(0, size.activations)
        needed = [str(size.gpus_needed(gigabytes) or 'none') for gigabytes in fit]
        rows.append([*row, *(f'{number / GIB:.1f}' for number in numbers), *needed])
    return '\n'.join(f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='+', help='config file, or several')
    parser.add_argument('--gpus', type=int, nargs='*', default=[8, 16, 32], metavar='NUMBER',
                        help='numbers of GPUs over which the model is sharded (default: 8 16 32)')
    parser.add_argument('--step', action='store_true', help='include the activations of a training step')
    parser.add_argument('--images-per-gpu', type=int, metavar='NUMBER',
                        help="in that step (default: the config's batch_size)")
    parser.add_argument('--shape', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'),
                        help='of its images, pixels (default: the largest that the transforms make)')
    parser.add_argument('--with-cp', action='store_true',
                        help="compare: without and with recomputation of the encoder's blocks in that step")
    parser.add_argument('--sequential-stages', type=int, nargs='+', metavar='STAGE',
                        help='compare: without and with sequential attention in these stages of the encoder')
    parser.add_argument('--fit', type=float, nargs='+', default=[], metavar='GB',
                        help='memory of GPUs: also say how many the model needs, with a margin of a sixth')
    add_config_options(parser, 'settings that replace those of the configs, e.g. model.backbone.arch=giant')
    args = parser.parse_args(argv)
    if not args.step and (args.images_per_gpu or args.shape or args.with_cp or args.sequential_stages):
        parser.error('--images-per-gpu, --shape, --with-cp and --sequential-stages belong to --step')
    if any(gigabytes <= 0 for gigabytes in args.fit):
        parser.error(f'--fit takes the memory of a GPU in GB, got {" ".join(map(str, args.fit))}')
    return args


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    import torch

    from ..analysis.memory.step_memory import measure_activations
    from ..engine.fsdp import BLOCKS
    from .config.loading import load_config

    sizes, steps = {}, {}
    for path in args.config:
        args.config = path
        config, messages = load_config(args, needed=('model', ))
        print(*messages, sep='\n', end='\n' if messages else '', file=sys.stderr)
        init_default_scope(config.get('default_scope', 'mmengine'))
        blocks = (config.get('strategy') or {}).get('units', BLOCKS)
        with torch.device('meta'):
            size = measure(MODELS.build(config.model), tuple(blocks))
        size.views = (config.get('model_wrapper_cfg') or {}).get('gradient_as_bucket_view', False)
        for name, cfg in variants(config, Path(path).stem, args.with_cp, args.sequential_stages).items():
            sizes[name] = size
            if args.step:
                steps[name] = step_of(cfg, args)
                activations = measure_activations(cfg, steps[name], 'cuda' if torch.cuda.is_available() else 'cpu')
                sizes[name] = replace(size, activations=activations)
    measured = 'with' if args.step else 'without'
    print(f'GiB per GPU {measured} activations\n\n{make_table(sizes, args.gpus, steps, args.fit)}')

