"""Memory per GPU that the training of a config takes, apart from activations: from parameter counts, without a GPU."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from torch import nn  # noqa: E402

from mmsimmim.engine.command_line import OptionsAction, load_config, report_mistakes  # noqa: E402
from mmsimmim.engine.fsdp import BLOCKS, units_of  # noqa: E402
from mmsimmim.registry import MODELS  # noqa: E402

GIB = 2**30
# Bytes per parameter. Mixed precision keeps everything that lasts in float32.
PARAMETERS, GRADIENTS, MOMENTS = 4, 4, 8
AUTOCAST = 2  # copies in bfloat16 that autocast keeps during a step, at most of all parameters
BUCKETS = 4  # DistributedDataParallel's copy of the gradients, which it sends


@dataclass
class Size:
    """How large a model is.

    Args:
        parameters (int): All parameters.
        largest_unit (int): Parameters of the largest unit that FSDPStrategy puts together at once.
    """

    parameters: int
    largest_unit: int

    def with_copies(self) -> int:
        """Bytes per GPU if each has all of the model (DistributedDataParallel)."""
        return (PARAMETERS + GRADIENTS + MOMENTS + BUCKETS + AUTOCAST) * self.parameters

    def with_shares(self, gpus: int) -> int:
        """Bytes per GPU if each has a share of the model (FSDPStrategy).

        Beyond the share there are two whole units, one at work and the next one on its way, and twice the gradient of
        one, as it is made and as it is sent.
        """
        share = (PARAMETERS + GRADIENTS + MOMENTS) * -(-self.parameters // gpus)
        return share + (2 * PARAMETERS + 2 * GRADIENTS) * self.largest_unit + AUTOCAST * self.parameters

    def checkpoint(self) -> int:
        """Bytes of a checkpoint with the state of the optimizer."""
        return (PARAMETERS + MOMENTS) * self.parameters


def measure(model: nn.Module, blocks: tuple[str, ...] = BLOCKS) -> Size:
    """Count the parameters of a model, which may be on the meta device.

    Args:
        model (nn.Module): The model.
        blocks (tuple[str]): ``units`` of FSDPStrategy.

    Returns:
        Size: Its size.
    """
    seen, sizes = set(), []
    for unit in units_of(model, blocks):
        own = [parameter for parameter in unit.parameters() if id(parameter) not in seen]
        seen.update(map(id, own))
        sizes.append(sum(parameter.numel() for parameter in own))
    return Size(sum(sizes), max(sizes))


def make_table(sizes: dict[str, Size], gpus: list[int]) -> str:
    """Markdown with a row per model; memory in GiB."""
    head = ['model', 'parameters', 'a copy on each GPU', *(f'shares on {number} GPUs' for number in gpus), 'checkpoint']
    rows = [[name, f'{size.parameters / 1e6:.0f}M', *(
        f'{number / GIB:.1f}' for number in (size.with_copies(), *map(size.with_shares, gpus), size.checkpoint()))]
            for name, size in sizes.items()]
    return '\n'.join(f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', nargs='+', help='config file, or several')
    parser.add_argument('--gpus', type=int, nargs='+', default=[8, 16, 32], metavar='NUMBER',
                        help='numbers of GPUs (default: 8 16 32)')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE',
                        help='settings that replace those of the configs, e.g. model.backbone.arch=giant')
    parser.set_defaults(launcher='none', local_rank=0, work_dir=None, no_pin_memory=False, no_persistent_workers=False)
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    sizes = {}
    for path in args.config:
        args.config = path
        cfg, _ = load_config(args, needed=('model', ))
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        blocks = (cfg.get('strategy') or {}).get('units', BLOCKS)
        with torch.device('meta'):
            sizes[Path(path).stem] = measure(MODELS.build(cfg.model), tuple(blocks))
    print(f'GiB per GPU without activations\n\n{make_table(sizes, args.gpus)}')


if __name__ == '__main__':
    main()
