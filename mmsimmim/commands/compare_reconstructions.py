"""Draw and measure reconstructions of the same images under the same masks by several models.

A row for each image and mask: original | masked | one reconstruction per model. The measurements are printed to
stdout as a Markdown table, with a legend.

    python -m mmsimmim compare_reconstructions IMAGES --model A.py A.pth --model B.py B.pth \\
        --names 'random' 'block-wise' --strategies random square block-wise --out sheet.png
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from ..errors import UserError
from .common.mistakes import report_mistakes
from .config.options import MASK_NAMES, add_config_options, check_seed

if TYPE_CHECKING:
    from torch import Tensor

    from ..models import SimMIM
    from ..visualization import PictureLoader
    from ..visualization.comparison import Comparison
    from ..visualization.pixel_masks import MaskSetting

LEGEND = """AvgDist: mean distance of masked pixels to the nearest visible one, in pixels.
loss: of each model's own target, over masked pixels; compares where target and criterion are the same.
diff.: mean absolute difference to the image over masked pixels, of colours as shown, in levels of 0..255.
*: a normalised target, shown with the true mean and deviation around each pixel: its diff. does not compare."""


@dataclass
class Compared:
    """A model with its name and where it came from."""

    name: str
    config: str
    checkpoint: str
    cfg: Config
    model: SimMIM

    @property
    def label(self) -> str:
        """The name, marked if its reconstructions use statistics of the image."""
        from ..visualization.comparison import uses_image_statistics

        return f'{self.name} *' if uses_image_statistics(self.model) else self.name


def parse_args(argv: list[str] | None = None) -> Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('images', metavar='IMAGE|FOLDER', help='an image, or a folder searched with all below it')
    parser.add_argument('--model', nargs=2, action='append', required=True, metavar=('CONFIG', 'CHECKPOINT'),
                        dest='models', help='config and checkpoint of a pre-training; once for each model')
    parser.add_argument('--names', nargs='+', metavar='NAME',
                        help='of the models, in their order (default: folder and name of the checkpoint)')
    place = parser.add_mutually_exclusive_group()
    place.add_argument('--out-dir', default='work_dirs/comparisons',
                       help='folder for one picture per image, NAME_comparison.png (default: %(default)s)')
    place.add_argument('--out', metavar='FILE', help='one PNG file for all images instead')
    parser.add_argument('--json', metavar='FILE', help='write what was measured to this file as well')
    masks = parser.add_argument_group('masks', 'All combinations; what is left out is as in the config of the first '
                                      'model.')
    masks.add_argument('--strategies', nargs='+', choices=MASK_NAMES, metavar='NAME',
                       help=f'of {", ".join(MASK_NAMES)}')
    masks.add_argument('--mask-patch-sizes', nargs='+', type=int, metavar='P', help='sides of a masked patch, pixels')
    masks.add_argument('--mask-ratios', nargs='+', type=float, metavar='R', help='shares to mask, in (0, 1]')
    masks.add_argument('--seed', type=int, default=0, help='seed of the masks (default: %(default)s)')
    parser.add_argument('--num', type=int, default=8, metavar='N',
                        help='of a folder, at most N images, evenly spread over sorted names (default: %(default)s)')
    parser.add_argument('--size', type=int, nargs=2, metavar=('H', 'W'),
                        help="scale images to this (default: the shorter side to that of the first model's "
                             'pre-training, as near as all models and masks divide)')
    parser.add_argument('--paste-visible', action='store_true',
                        help='show predictions where masked only, and the image elsewhere')
    parser.add_argument('--channels', type=int, nargs='+', metavar='I',
                        help='channels to show and measure as red, green, blue, or one for grey, as the models see '
                             'them (default: the colours; of more than three channels the first three)')
    parser.add_argument('--device', help='e.g. cpu or cuda:0 (default: a GPU if there is one)')
    add_config_options(parser, 'settings that replace those of every config')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..visualization.comparison_table import make_table
    from ..visualization.files import check_target, find_images, target_path

    MMLogger.get_current_instance().setLevel('WARNING')  # the output is a table
    paths = find_images(args.images, args.num)
    check_target(args.out, paths)
    check_json(args.json)
    check_seed(args.seed)
    names = choose_names(args.names, [checkpoint for _, checkpoint in args.models])
    compared = [build(name, config, checkpoint, args) for name, (config, checkpoint) in zip(names, args.models)]
    check_channels_alike(compared, args.channels)
    settings = make_settings(compared, args)

    found = []
    for path, of_image in compare_all(compared, settings, paths, args):
        found.extend(of_image)
        if args.out is None:
            draw(target_path(path, args.images, args.out_dir, paths, '_comparison.png'), of_image, compared, args)
    if args.out is not None:
        draw(args.out, found, compared, args)
    print(*make_table(found, [one.label for one in compared]), '', LEGEND, sep='\n')
    if args.json is not None:
        write_json(args.json, found, compared)


def check_json(path: str | None) -> None:
    """Refuse a file for the measures that may be something else."""
    if path is not None and not path.lower().endswith('.json'):
        raise UserError(f'--json {path} must end in .json.')


def choose_names(given: list[str] | None, checkpoints: list[str]) -> list[str]:
    """A name for each model, no two alike."""
    if given is None:
        plain = ['/'.join([*Path(path).parent.parts[-1:], Path(path).stem]) for path in checkpoints]
        return [name if plain.count(name) == 1 else f'{i}: {name}' for i, name in enumerate(plain, 1)]
    if len(given) != len(checkpoints):
        raise UserError(f'--names must name each model: got {len(given)} for {len(checkpoints)} models.')
    if len(set(given)) < len(given):
        raise UserError(f'--names must differ from one another, got {" ".join(given)}.')
    return given


def build(name: str, config: str, checkpoint: str, args: Namespace) -> Compared:
    """One of the models, with its weights, on the device."""
    from mmengine.device import get_device

    from ..visualization.models import build_model, load_weights, move
    from .config.loading import load_config

    cfg, messages = load_config(Namespace(**{**vars(args), 'config': config}), needed=('model', ))
    print(*messages, sep='\n', end='\n' if messages else '', file=sys.stderr)
    model = build_model(cfg, config)
    load_weights(model, checkpoint)
    move(model, args.device or get_device())
    return Compared(name, config, checkpoint, cfg, model)


def check_channels_alike(compared: Sequence[Compared], channels: list[int] | None) -> None:
    """Refuse models that cannot see the same image, and channels that do not mean the same to all."""
    from ..models.colours import is_rgb
    from ..visualization.models import check_channels

    first, *others = compared
    for other in others:
        ours, theirs = first.model.backbone.in_channels, other.model.backbone.in_channels
        if ours != theirs:
            raise UserError(f'The models cannot see the same images: {first.name} takes {ours} channels, {other.name} '
                            f'takes {theirs}.')
        if channels is not None and is_rgb(first.model.data_preprocessor) != is_rgb(other.model.data_preprocessor):
            raise UserError(f'--channels: {first.name} and {other.name} see the channels in opposite order; leave it '
                            'out to show the colours.')
    check_channels(channels, first.model)


def make_settings(compared: Sequence[Compared], args: Namespace) -> list[MaskSetting]:
    """The masks, which every model can be shown."""
    from ..visualization.pixel_masks import mask_settings

    trained = picture_loader(compared[0], multiple=1).mask_cfg
    settings = mask_settings(trained, args.strategies, args.mask_patch_sizes, args.mask_ratios)
    for one in compared:
        token = one.model.head.patch_size
        for setting in settings:
            if setting.patch_size % token:
                raise UserError(f'Masked patches of {setting.patch_size} px cannot be shown to {one.name}, whose '
                                f'tokens have {token} px: give --mask-patch-sizes that are multiples of {token}, or '
                                'leave the model out.')
    return settings


def picture_loader(one: Compared, multiple: int, **settings) -> PictureLoader:
    """What reads images as the config of a model does."""
    from ..visualization import PictureLoader

    init_default_scope(one.cfg.get('default_scope', 'mmengine'))
    return PictureLoader(one.cfg, multiple, **settings)


def compare_all(compared: Sequence[Compared], settings: Sequence[MaskSetting], paths: list[str],
                args: Namespace) -> Iterator[tuple[str, list[Comparison]]]:
    """Each image that can be read, under every mask."""
    from ..visualization import side_multiple
    from ..visualization.comparison import compare
    from ..visualization.files import load_all

    multiple = math.lcm(*(side_multiple(one.model) for one in compared), *(one.patch_size for one in settings))
    # The loader's own masks are not used; its masked patch must not make the multiple larger.
    loader = picture_loader(compared[0], multiple, size=args.size, mask_patch_size=multiple)
    for number, (path, index, batch) in enumerate(load_all(loader, paths)):
        if number == 0:
            warn_of_other_readings(compared, path, batch['inputs'], multiple)
        name = os.path.relpath(path, args.images) if os.path.isdir(args.images) else os.path.basename(path)
        models = [one.model for one in compared]
        yield path, [compare(models, batch['inputs'], setting, name, args.seed, index, args.channels)
                     for setting in settings]


def warn_of_other_readings(compared: Sequence[Compared], path: str, inputs: Tensor, multiple: int) -> None:
    """Say so where a model's own config reads an image in another way than the first one's, such as another range."""
    import torch

    first, *others = compared
    for other in others:
        loader = picture_loader(other, multiple, size=tuple(inputs.shape[2:]), mask_patch_size=multiple)
        theirs = loader(path)['inputs']
        if theirs.shape != inputs.shape or not torch.equal(theirs.double(), inputs.double()):
            print(f'{other.config} reads images in another way than {first.config} (the first steps of the pipeline, '
                  f'Load...), which is followed here: what {other.name} sees differs from its training.',
                  file=sys.stderr)


def draw(path: str, comparisons: Sequence[Comparison], compared: Sequence[Compared], args: Namespace) -> None:
    """Write a sheet, and say where on the error stream, as the output is a table."""
    from ..visualization.comparison import draw_comparisons
    from ..visualization.files import write_picture

    sheet = draw_comparisons(comparisons, [one.label for one in compared], args.paste_visible)
    print(write_picture(path, sheet), file=sys.stderr)


def write_json(path: str, comparisons: Sequence[Comparison], compared: Sequence[Compared]) -> None:
    """Write all measures, and where the models came from."""
    from ..visualization.comparison import uses_image_statistics
    from ..visualization.comparison_table import make_records

    models = [dict(name=one.name, config=one.config, checkpoint=one.checkpoint,
                   borrows_tone=uses_image_statistics(one.model))
              for one in compared]
    content = dict(models=models, **make_records(comparisons, [one.name for one in compared]))
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        Path(path).write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    except OSError as error:
        raise UserError(f'Cannot write {path}: {error.strerror or error}') from error

