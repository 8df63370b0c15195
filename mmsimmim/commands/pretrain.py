"""Pre-train an encoder on a folder of images without labels; length, rate and batch are chosen from them.

Examples:
    mmsimmim pretrain --data /data/aerial --out runs/aerial
    mmsimmim pretrain --data /data/aerial --out runs/aerial --arch swinv2-base --devices 8 --set lr=5e-4
    mmsimmim pretrain --out runs/aerial --resume
"""

import argparse
import sys

from ..interruption import ENDED_BY_USER, RESUMABLE
from .common.mistakes import report_mistakes
from .config.options import OptionsAction


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', nargs='+', metavar='DATA',
                        help='folder of images, at any depth, or several; a text file of paths; a packed file')
    parser.add_argument('--out', required=True, help='folder for all results, empty or not there yet')
    parser.add_argument('--arch', help='encoder: swin-atto, swin-tiny, swinv2-base, vit-small, ... (default: a Swin '
                                       'for as many images, up to swin-tiny; on a CPU up to swin-femto)')
    parser.add_argument('--img-size', type=int, help='side of the crops in pixels')
    parser.add_argument('--object-size', type=float, help='side of what is to be recognised, in pixels of the images')
    parser.add_argument('--epochs', type=float, help='how often each image is seen')
    parser.add_argument('--hours', type=float, help='how long the run may take')
    parser.add_argument('--batch-size', type=int, help='images of a step, of all devices')
    parser.add_argument('--devices', type=int, help='processes, each with a GPU where there are any (default: 1)')
    parser.add_argument('--precision', choices=['bf16', 'fp16', 'fp32'], help='default: the fastest of the device')
    parser.add_argument('--config', help='another config than the one for the encoder, shipped or your own')
    parser.add_argument('--set', nargs='+', action=OptionsAction, metavar='KEY=VALUE', dest='settings',
                        help='settings that win over all that is chosen, as --cfg-options of train')
    parser.add_argument('--start', metavar='FILE', dest='start_from', help='checkpoint whose encoder to begin with')
    parser.add_argument('--labelled', metavar='FOLDER',
                        help='with train/CLASS/ and val/CLASS/, or CLASS/ alone: curves of what frozen features are '
                             'worth, from the untrained encoder on')
    parser.add_argument('--resume', action='store_true', help='go on with the run in OUT where it stopped')
    parser.add_argument('--seed', type=int, help='of weights, crops and masks (default: 0)')
    args = parser.parse_args()
    if not (args.data or args.resume):
        parser.error('--data is needed, or --resume')
    return args


@report_mistakes
def main() -> None:
    args = parse_args()
    from .pretraining import TrainingStopped, pretrain

    try:
        pretrain(**vars(args))
    except TrainingStopped as stop:
        print(f'error: {stop}' if stop.status != RESUMABLE else str(stop), file=sys.stderr)
        sys.exit(stop.status if stop.status in (RESUMABLE, ENDED_BY_USER) else 1)


if __name__ == '__main__':
    main()
