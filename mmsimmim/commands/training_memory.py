"""Training memory per GPU of a config.

Without --step it is the memory of weights, gradients and optimizer state, from parameter counts:

    python -m mmsimmim training_memory configs/pretrain/simmim_swinv2-huge-*-800e_*.py --gpus 8 16

With --step it includes the activations, of a real step on a synthetic batch of the size that the config trains on:

    python -m mmsimmim training_memory configs/det/mask-rcnn_swin-base-*-1x_*.py --step --with-cp

On a GPU that is the peak of PyTorch's allocator during forward and backward pass. Without one it is an estimate of it:
the step runs on the CPU with fake tensors, saves the activations that a GPU's attention and autocast save, and live
bytes are counted. Workspaces of kernels (cuDNN), rounding and fragmentation come on top. Where a batch has tall and
wide images, all are padded to the larger sides: --shape.
"""

from __future__ import annotations

import argparse
import copy
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
AUTOCAST = 2  # copies in bfloat16 that autocast keeps during a step, at most of all parameters
BUCKETS = 4  # DistributedDataParallel's buckets, a copy of the gradients unless these are views of them


@dataclass
class Size:
    """How large a model is.

    Args:
        parameters (int): All parameters.
        largest_unit (int): Parameters of the largest unit that FSDPStrategy puts together at once.
        activations (int, optional): Bytes of a step beside weights and gradients, autocast's copies of the weights
            included. Defaults to None: no more than those copies are counted.
        views (bool): Gradients of DistributedDataParallel live in its buckets (``gradient_as_bucket_view``). Defaults
            to False.
    """

    parameters: int
    largest_unit: int
    activations: int | None = None
    views: bool = False

    def bytes_when_replicated(self) -> int:
        """Bytes per GPU if each has all of the model (DistributedDataParallel)."""
        buckets = 0 if self.views else BUCKETS
        return (PARAMETERS + GRADIENTS + MOMENTS + buckets) * self.parameters + self._of_the_step()

    def bytes_when_sharded(self, gpus: int) -> int:
        """Bytes per GPU if the model is sharded (FSDPStrategy).

        Beyond the shard there are two full units, one in use and one prefetched, and twice the gradient of
        one, as it is computed and as it is sent.
        """
        shard = (PARAMETERS + GRADIENTS + MOMENTS) * -(-self.parameters // gpus)
        return shard + (2 * PARAMETERS + 2 * GRADIENTS) * self.largest_unit + self._of_the_step()

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

    seen, sizes = set(), []
    for unit in units_of(model, blocks or BLOCKS):
        own = [parameter for parameter in unit.parameters() if id(parameter) not in seen]
        seen.update(map(id, own))
        sizes.append(sum(parameter.numel() for parameter in own))
    return Size(sum(sizes), max(sizes))


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


def variants(cfg: Config, name: str, compare: bool) -> dict[str, Config]:
    """The config, or two, without and with recomputation of the encoder's blocks (``with_cp``)."""
    if not compare:
        return {name: cfg}
    both = {}
    for with_cp in (False, True):
        both[f'{name}, with_cp={with_cp}'] = variant = copy.deepcopy(cfg)
        variant.model.backbone.with_cp = with_cp
    return both


def make_table(sizes: dict[str, Size], gpus: list[int], steps: dict[str, Step] | None = None) -> str:
    """Markdown with a row per model; memory in GiB."""
    steps = steps or {}
    of_step = ['image', 'images', 'activations'] if steps else []
    head = ['model', 'parameters', *of_step, 'a copy on each GPU', *(f'sharded over {number} GPUs' for number in gpus),
            'checkpoint']
    rows = []
    for name, size in sizes.items():
        numbers = [size.bytes_when_replicated(), *map(size.bytes_when_sharded, gpus), size.checkpoint()]
        row = [name, f'{size.parameters / 1e6:.0f}M']
        if steps:
            height, width = steps[name].shape
            row += [f'{width} x {height}', str(steps[name].num_images)]
            numbers.insert(0, size.activations)
        rows.append([*row, *(f'{number / GIB:.1f}' for number in numbers)])
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
    add_config_options(parser, 'settings that replace those of the configs, e.g. model.backbone.arch=giant')
    args = parser.parse_args(argv)
    if not args.step and (args.images_per_gpu or args.shape or args.with_cp):
        parser.error('--images-per-gpu, --shape and --with-cp belong to --step')
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
        config, _ = load_config(args, needed=('model', ))
        init_default_scope(config.get('default_scope', 'mmengine'))
        blocks = (config.get('strategy') or {}).get('units', BLOCKS)
        with torch.device('meta'):
            size = measure(MODELS.build(config.model), tuple(blocks))
        size.views = (config.get('model_wrapper_cfg') or {}).get('gradient_as_bucket_view', False)
        for name, cfg in variants(config, Path(path).stem, args.with_cp).items():
            sizes[name] = size
            if args.step:
                steps[name] = step_of(cfg, args)
                activations = measure_activations(cfg, steps[name], 'cuda' if torch.cuda.is_available() else 'cpu')
                sizes[name] = replace(size, activations=activations)
    measured = 'with' if args.step else 'without'
    print(f'GiB per GPU {measured} activations\n\n{make_table(sizes, args.gpus, steps)}')

