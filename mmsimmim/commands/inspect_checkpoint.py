"""Say what a checkpoint holds, and which configs of this project it fits."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..architectures import SWIN, SWIN_V2, VIT
from ..errors import UserError, shown, shown_lines
from ..shipped import config_name, configs_folder
from .common.mistakes import report_mistakes

if TYPE_CHECKING:
    from torch import Tensor

    from ..checkpoints import Contents

EXAMPLES = """examples:
  python -m mmsimmim inspect_checkpoint simmim_pretrain__swin_base.pth
  python -m mmsimmim inspect_checkpoint model.safetensors --configs my_configs/
"""
# Kinds of encoders: their names, and the classes with their named sizes.
ENCODERS = {'swin': 'Swin Transformer', 'swin_v2': 'Swin Transformer V2', 'vit': 'Vision Transformer (BEiT)'}
CLASSES = {'mmsimmim.SwinTransformer': ('swin', SWIN), 'mmsimmim.SwinTransformerV2': ('swin_v2', SWIN_V2),
           'mmsimmim.VisionTransformer': ('vit', VIT)}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', metavar='FILE', help='checkpoint: .pth, .pt, .bin or .safetensors')
    parser.add_argument('--configs', default=str(configs_folder()), metavar='FOLDER',
                        help='configs to compare with, searched with all below it (default: those of the project)')
    parser.add_argument('--ema', action='store_true', help='take the running average of the parameters in the file')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..checkpoints import read_checkpoint, recognise, state_dict_of

    checkpoint = read_checkpoint(args.file, mmap=True)
    try:
        weights = state_dict_of(checkpoint, args.ema)
        contents = recognise(weights)
    except ValueError as error:
        raise UserError(f'{args.file}: {error}') from error
    print(shown(f'{args.file}: {contents.title}'))
    for name, value in describe(contents, weights, checkpoint):
        print(f'  {shown(name):<16}{shown_lines(value)}')
    fits = fit_configs(Path(args.configs), weights, contents)
    print_lines('Fits exactly', map(config_name, fits.exact))
    print_lines('Fits with resized position tables', map(config_name, fits.resized))
    print_lines('Could not be compared', fits.skipped)
    print_recipe(checkpoint, contents, fits)


def describe(contents: Contents, weights: dict[str, Tensor], checkpoint: dict) -> Iterator[tuple[str, str]]:
    """What is known, as names and values."""
    from ..checkpoints.report import join
    from ..checkpoints.sizes import arch_setting, beside_nearest, extra_norms, is_whole

    unknown = 'not to be told from the file'
    yield 'names of', contents.family
    yield 'encoder', f'{ENCODERS[contents.encoder]}, {contents.arch or beside_nearest(contents) or "of its own size"}'
    yield 'in a config', arch_setting(contents) if is_whole(contents) else unknown
    yield 'channels', str(contents.embed_dims or unknown)
    yield 'blocks', join(contents.depths)
    yield 'heads', join(contents.num_heads)
    yield 'windows', join(contents.windows) if any(contents.windows) else unknown
    yield 'patch', f'{contents.patch_size} px' if contents.patch_size else unknown
    yield 'resolution', f'{contents.resolution} px' if contents.resolution else unknown
    yield 'image channels', str(contents.in_channels or unknown)
    if contents.encoder == 'swin_v2':
        yield 'extra norms', extra_norms(contents.extra_norm_every_n_blocks)
    if contents.encoder == 'vit':
        kinds = {True: 'one table, shared by all blocks', False: 'a table per block', None: 'none'}
        yield 'position bias', kinds[contents.shared_table]
    yield 'mask token', 'yes' if contents.mask_token else 'no'
    yield 'SimMIM decoder', 'yes' if contents.decoder else 'no'
    yield 'classifier', f'{contents.num_classes} classes' if contents.num_classes else 'no'
    yield 'other parts', ', '.join(map(shown, contents.other_parts)) or 'none'
    kinds = sorted({str(tensor.dtype).removeprefix('torch.') for tensor in weights.values()})
    total = sum(tensor.numel() for tensor in weights.values())
    yield 'tensors', f'{len(weights)}, {total / 1e6:.1f} million values, {", ".join(kinds)}'
    yield 'trained', progress(checkpoint)


def progress(checkpoint: dict) -> str:
    """Epoch and iteration that the file records, as it counts them."""
    meta = checkpoint.get('meta')
    notes = {**(meta if isinstance(meta, dict) else {}), **checkpoint}
    found = [f'{name} {notes[name]}' for name in ('epoch', 'iter', 'global_steps')
             if isinstance(notes.get(name), int)]
    return ', '.join(found) or 'not noted in the file'


class Fits(NamedTuple):
    """Configs by how a file fits their backbone.

    Args:
        exact (list[Path]): It fits as it is.
        resized (list[Path]): It fits after its tables are resized.
        others (list[Path]): Of the same type and width, and it does not fit.
        skipped (list[str]): Names of those that cannot be read here, with the reason.
    """

    exact: list[Path]
    resized: list[Path]
    others: list[Path]
    skipped: list[str]


def fit_configs(folder: Path, weights: dict[str, Tensor], contents: Contents) -> Fits:
    """Compare with the backbone of every config.

    Args:
        folder (Path): Searched with all below it; folders named _base_ are not.
        weights (dict[str, Tensor]): As in the file.
        contents (Contents): What they are.

    Returns:
        Fits: The configs.
    """
    from .config.index import Index, find_configs

    index, fits, known = Index(), Fits([], [], [], []), {}
    shapes = {name: tensor.to('meta') for name, tensor in weights.items()}
    for path in find_configs(folder):
        try:
            settings = index.encoder_of(path)
        except Exception as error:  # A config is a program, and may need what is not installed.
            fits.skipped.append(f'{config_name(path)} ({type(error).__name__}: {error})')
            continue
        if settings is not None and may_fit(settings, contents):
            key = repr(settings)
            fit = known[key] = known[key] if key in known else compare(settings, shapes)
            {'exact': fits.exact, 'resized': fits.resized}.get(fit, fits.others).append(path)
    return fits


def may_fit(settings: dict, contents: Contents) -> bool:
    """False if an encoder is of another type or width than the file, which saves building it."""
    kind, sizes = CLASSES.get(settings['type'], (None, {}))
    arch = settings.get('arch')
    arch = sizes.get(arch) if isinstance(arch, str) else arch
    if kind is None or arch is None:
        return True
    return kind == contents.encoder and contents.embed_dims in (None, arch.get('embed_dims'))


def compare(settings: dict, shapes: dict[str, Tensor]) -> str | None:
    """'exact', 'resized', or None if the file does not fit."""
    import torch

    from ..models.backbones.encoder import Encoder
    from ..models.backbones.loading import CheckpointMismatch
    from ..registry import MODELS

    with torch.device('meta'):
        encoder = MODELS.build(settings)
    if not isinstance(encoder, Encoder):
        return None
    try:
        report = encoder.compare(shapes)
    except CheckpointMismatch:
        return None
    return 'resized' if report.resized else 'exact'


def print_lines(title: str, lines: Iterable[str]) -> None:
    """A title and a list below it, unless that is empty."""
    lines = list(lines)
    if lines or title.startswith('Fits'):
        print(f'{title}:{"" if lines else " none"}')
        print(*(f'  {shown_lines(line)}' for line in lines), sep='\n', end='\n' if lines else '')


def print_recipe(checkpoint: dict, contents: Contents, fits: Fits) -> None:
    """The recipe in the file, if there is one, beside that of the config that differs least."""
    from ..checkpoints.recipe import read_recipe
    from .config.recipes import nearest, table

    pretraining = contents.decoder or contents.mask_token
    try:
        recipe = read_recipe(checkpoint, pretraining)
    except UserError as error:
        print(f'Recipe in the file: {shown_lines(error)}')
        return
    if recipe is None:
        return
    for paths, how in ((fits.exact + fits.resized, ''), (fits.others, ', which its weights do not fit')):
        found = nearest(recipe, paths, pretraining)
        if found:
            path, rows = found
            print_lines(f'Recipe in the file beside {config_name(path)}{how} (* differs)', table(rows))
            break
    else:
        print_lines('Recipe in the file, under the keys of our configs',
                    (f'{key} = {value!r}' for key, value in recipe.settings.items()))
    print(f'Learning rates: {recipe.rates}. The batch_size is that of one GPU.')
