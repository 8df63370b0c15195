"""Draw original | masked | reconstruction | reconstruction with visible pixels, for an image or a folder of images."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.device import get_device  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.runner import CheckpointLoader  # noqa: E402
from PIL import Image  # noqa: E402

from mmsimmim.datasets.image_folder import IMAGE_SUFFIXES, list_files  # noqa: E402
from mmsimmim.engine.command_line import OptionsAction, load_config, report_mistakes  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from mmsimmim.models import SimMIM  # noqa: E402
from mmsimmim.registry import MODELS  # noqa: E402
from mmsimmim.visualization import (  # noqa: E402
    PictureLoader,
    Reconstruction,
    draw_sheet,
    encoder_stride,
    reconstruct,
    require_pixel_model,
)


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
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE',
                        help='settings that replace those of the config')
    # What else load_config reads; there is no training here to which it would matter.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0, no_pin_memory=False, no_persistent_workers=False)
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')  # the output is a list of pictures
    paths = find_images(args.images, args.num)
    check_target(args.out, paths)
    cfg, messages = load_config(args, needed=('model', ))
    print(*messages, sep='\n', end='\n' if messages else '', file=sys.stderr)
    model = build_model(cfg, args.config)
    check_channels(args.channels, model)
    load_weights(model, args.checkpoint)
    move(model, args.device or get_device())
    loader = PictureLoader(cfg, encoder_stride(model), args.size, args.mask_ratio, args.mask_patch_size, args.seed)

    drawn = []
    for path, result in reconstruct_all(model, loader, paths):
        if args.out is None:
            target = write(target_path(path, args.images, args.out_dir, paths),
                           draw_sheet([result], model.data_preprocessor, args.channels))
            print(f'{target}  masked loss {result.loss:.4f}')
        else:
            print(f'{path}  masked loss {result.loss:.4f}')
            drawn.append(result)
    if drawn:
        print(write(args.out, draw_sheet(drawn, model.data_preprocessor, args.channels)))


def find_images(place: str, num: int) -> list[str]:
    """The image itself, or at most ``num`` images of a folder, evenly spread over the sorted paths."""
    if num < 1:
        raise UserError(f'--num must be at least 1, got {num}.')
    if os.path.isfile(place):
        return [place]
    if not os.path.isdir(place):
        raise UserError(f'There is no image or folder {place} (working folder: {os.getcwd()}).')
    found = sorted(list_files(place, IMAGE_SUFFIXES))
    if not found:
        raise UserError(f'No images in {place} or the folders below it. Looked for names that end in '
                        f'{", ".join(IMAGE_SUFFIXES)}.')
    chosen = np.linspace(0, len(found) - 1, min(num, len(found))).round().astype(int)
    return [os.path.join(place, found[i]) for i in chosen]


def check_target(out: str | None, paths: list[str]) -> None:
    """Refuse an output file that is no PNG, or that is one of the images."""
    if out is None:
        return
    if not out.lower().endswith('.png'):
        raise UserError(f'--out {out} must end in .png.')
    if os.path.realpath(out) in map(os.path.realpath, paths):
        raise UserError(f'--out {out} would overwrite an image to be drawn.')


def check_channels(channels: list[int] | None, model: SimMIM) -> None:
    """Refuse channels that cannot be shown, before anything is computed."""
    count = model.backbone.in_channels
    if channels is not None and (len(channels) not in (1, 3) or not all(0 <= i < count for i in channels)):
        raise UserError(f'--channels takes one or three numbers from 0 to {count - 1}, as the model has {count} '
                        f'channels; got {" ".join(map(str, channels))}.')


def build_model(cfg: Config, name: str) -> SimMIM:
    """The model of a config, with random weights, in evaluation mode.

    Args:
        cfg (Config): The config.
        name (str): Its file, for messages.

    Raises:
        UserError: If it is not SimMIM's, or cannot be built.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    kind = cfg.model.get('type')
    built_class = MODELS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(built_class, type) and issubclass(built_class, SimMIM)):
        raise UserError(f'The model of {name} is {kind!r}; reconstructions can be drawn of mmsimmim.SimMIM only.')
    settings = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    try:
        model = MODELS.build(settings)
    except Exception as error:  # Whatever is wrong in a model's settings, its type of error varies.
        raise UserError(f'The model of {name} cannot be built: {error}') from error
    return require_pixel_model(model).eval()


def load_weights(model: SimMIM, path: str) -> None:
    """Load a checkpoint that fits exactly.

    Raises:
        UserError: If it cannot be read, or a weight is missing, unexpected or of another shape.
    """
    if '://' not in path and not os.path.isfile(path):
        raise UserError(f'The checkpoint {path} does not exist (working folder: {os.getcwd()}).')
    try:
        content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
        weights = {name.removeprefix('module.'): value for name, value in content.get('state_dict', content).items()}
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except Exception as error:  # Files that are no checkpoints fail in many ways.
        raise UserError(f'The checkpoint {path} cannot be loaded: {error}') from error
    if missing or unexpected:
        raise UserError(f'The checkpoint {path} does not fit the model of the config, and nothing was drawn: '
                        f'{_count(missing, "missing")}; {_count(unexpected, "not in the model")}. It must come from a '
                        'pre-training with this config; a backbone alone cannot reconstruct.')


def _count(names: list[str], what: str) -> str:
    examples = f' ({", ".join(names[:3])}{", ..." if len(names) > 3 else ""})' if names else ''
    return f'{len(names)} weights {what}{examples}'


def move(model: SimMIM, device: str) -> None:
    """Bring the model to a device."""
    try:
        model.to(device)
    except (AssertionError, RuntimeError) as error:
        raise UserError(f'The device {device} cannot be used: {str(error).splitlines()[0]}') from error


def reconstruct_all(model: SimMIM, loader: PictureLoader, paths: list[str]) -> Iterator[tuple[str, Reconstruction]]:
    """Each image that can be read, with its reconstruction; the others are named on the error stream.

    Raises:
        UserError: If none can be read.
    """
    unreadable = []
    for index, path in enumerate(paths):
        try:
            batch = loader(path, index)
        except UserError as error:
            unreadable.append(str(error))
            if len(paths) > 1:
                print(f'left out: {error}', file=sys.stderr)
            continue
        yield path, reconstruct(model, batch)[0]
    if len(unreadable) == len(paths):
        raise UserError('None of the images can be read.' if len(paths) > 1 else unreadable[0])


def target_path(path: str, place: str, out_dir: str, paths: list[str]) -> str:
    """Where the picture of an image goes: below ``out_dir`` as the image below the folder."""
    stem = os.path.splitext(path)[0]
    if sum(os.path.splitext(other)[0] == stem for other in paths) > 1:
        stem = path  # a.jpg beside a.png
    relative = os.path.basename(stem) if os.path.isfile(place) else os.path.relpath(stem, place)
    return os.path.join(out_dir, f'{relative}_reconstruction.png')


def write(path: str, picture: np.ndarray) -> str:
    """Write a picture, making its folder."""
    try:
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        Image.fromarray(picture).save(path)
    except OSError as error:
        raise UserError(f'Cannot write {path}: {error.strerror or error}') from error
    return path


if __name__ == '__main__':
    main()
