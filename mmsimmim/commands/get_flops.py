"""Parameters and FLOPs of classifiers, detectors, segmentors and SimMIM models, from their configs.

    python -m mmsimmim get_flops configs/det/*.py --shape 800 1280

FLOPs are those of one image at test time, a multiply-add as one (as in papers), by MMEngine's analysis of the
operations that are run: matrix products, convolutions, attention, norms, interpolation. All else (activations, sums,
the look-up of position biases, RoIAlign) is small and not counted, but listed. Many published figures leave out
the two products of attention, so these are shown separately. No weights are loaded.

- Detectors: 1280 x 800 pixels, or the images of validation if the config pads those to more; with as many region
  proposals as the config allows at test time (1000), the first 100 of which get masks; in a cascade every stage sees
  all of them. Non-maximum suppression is left out.
- Others: the largest image of validation (ADE20K: 2048 x 512), or the crop if the config tests by sliding one.
- Segmentors: auxiliary heads have parameters, but no FLOPs at test time.
- SimMIM: masked images to predicted pixels.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .common.mistakes import report_mistakes
from .config.options import add_config_options

if TYPE_CHECKING:
    from ..analysis.flops import Cost


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='+', help='config file, or several')
    parser.add_argument('--shape', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'),
                        help='of the image, pixels (default: see above)')
    add_config_options(parser, 'settings that replace those of the configs, e.g. model.backbone.arch=large')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..analysis.flops import cost_of
    from .config.loading import load_config

    costs = {}
    for path in args.config:
        args.config = path
        cfg, messages = load_config(args, needed=('model', ))
        print(*messages, sep='\n', end='\n' if messages else '', file=sys.stderr)
        costs[Path(path).stem] = cost_of(cfg, args.shape and tuple(args.shape))
    print(make_table(costs))
    for name, cost in costs.items():
        calls = ', '.join(f'{operation.removeprefix("aten::")} ({number})'
                          for operation, number in cost.uncounted.most_common())
        print(f'\nNot counted in {name}, with the number of calls: {calls}')



def make_table(costs: dict[str, Cost]) -> str:
    """Markdown with a row per config."""
    rows = [['config', 'image', 'parameters', 'FLOPs', 'of the encoder', 'of attention'], ['---'] * 6]
    for name, cost in costs.items():
        flops = (cost.flops, cost.encoder_flops, cost.attention_flops)
        rows.append([name, f'{cost.shape[1]} x {cost.shape[0]}', f'{cost.parameters / 1e6:.1f}M',
                     *(f'{number / 1e9:.1f}G' for number in flops)])
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)
