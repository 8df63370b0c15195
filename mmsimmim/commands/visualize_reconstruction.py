"""Draw original | masked | reconstruction | reconstruction with visible pixels, for an image or a folder of images."""

import argparse
import sys

from mmengine.logging import MMLogger

from ..errors import shown
from .common.mistakes import report_mistakes
from .config.options import add_config_options, check_seed


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('images', metavar='IMAGE|FOLDER', help='an image, or a folder searched with all below it')
    parser.add_argument('config', help='config of the pre-training')
    parser.add_argument('checkpoint', help='checkpoint of the pre-training, a path or an address')
    place = parser.add_mutually_exclusive_group()
    place.add_argument('--out-dir', default='work_dirs/reconstructions',
                       help='folder for one picture per image, NAME_reconstruction.png (default: %(default)s)')
    place.add_argument('--out', metavar='FILE', help='one PNG file for all instead, a row per image')
    parser.add_argument('--num', type=int, default=8, metavar='N',
                        help='of a folder, at most N images, evenly spread over sorted names (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the masks (default: %(default)s)')
    parser.add_argument('--mask-ratio', type=float, help='share to mask, in (0, 1] (default: from the config)')
    parser.add_argument('--mask-patch-size', type=int,
                        help='side of a masked patch in pixels (default: from the config)')
    parser.add_argument('--size', type=int, nargs=2, metavar=('H', 'W'),
                        help='scale images to this (default: the shorter side to that of pre-training)')
    parser.add_argument('--channels', type=int, nargs='+', metavar='I',
                        help='channels to show as red, green, blue, or one for grey, as the model sees them (default: '
                             'its colours; of more than three channels the first three)')
    parser.add_argument('--device', help='e.g. cpu or cuda:0 (default: a GPU if there is one)')
    add_config_options(parser, 'settings that replace those of the config')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from mmengine.device import get_device

    from ..visualization import PictureLoader, draw_sheet, reconstruct, side_multiple
    from ..visualization.files import check_target, find_images, load_all, target_path, write_picture
    from ..visualization.models import build_model, check_channels, load_weights, move
    from .config.loading import load_config

    MMLogger.get_current_instance().setLevel('WARNING')  # the output is a list of files
    paths = find_images(args.images, args.num)
    check_target(args.out, paths)
    check_seed(args.seed)
    cfg, messages = load_config(args, needed=('model', ))
    print(*messages, sep='\n', end='\n' if messages else '', file=sys.stderr)
    model = build_model(cfg, args.config)
    check_channels(args.channels, model)
    load_weights(model, args.checkpoint)
    move(model, args.device or get_device())
    loader = PictureLoader(cfg, side_multiple(model), args.size, args.mask_ratio, args.mask_patch_size, args.seed)

    drawn = []
    for path, _, batch in load_all(loader, paths):
        result, = reconstruct(model, batch)
        if args.out is None:
            target = write_picture(target_path(path, args.images, args.out_dir, paths, '_reconstruction.png'),
                                   draw_sheet([result], model.data_preprocessor, args.channels))
            print(f'{target}  {result.measured}')
        else:
            print(f'{shown(path)}  {result.measured}')
            drawn.append(result)
    if drawn:
        print(write_picture(args.out, draw_sheet(drawn, model.data_preprocessor, args.channels)))

