"""Say what a state dict holds, by its keys and shapes."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .engine import other_parts, read_form, require_form

# Published architectures; a test compares them with those of the backbones.
ARCHITECTURES = {
    'swin': {
        'tiny': (96, (2, 2, 6, 2), (3, 6, 12, 24)),
        'small': (96, (2, 2, 18, 2), (3, 6, 12, 24)),
        'base': (128, (2, 2, 18, 2), (4, 8, 16, 32)),
        'large': (192, (2, 2, 18, 2), (6, 12, 24, 48)),
    },
    'swin_v2': {
        'tiny': (96, (2, 2, 6, 2), (3, 6, 12, 24)),
        'small': (96, (2, 2, 18, 2), (3, 6, 12, 24)),
        'base': (128, (2, 2, 18, 2), (4, 8, 16, 32)),
        'large': (192, (2, 2, 18, 2), (6, 12, 24, 48)),
        'huge': (352, (2, 2, 18, 2), (8, 16, 32, 64)),
        'giant': (512, (2, 2, 42, 4), (16, 32, 64, 128)),
        'giant-1b': (448, (2, 2, 18, 2), (14, 28, 56, 112)),
    },
    'vit': {
        'small': (384, (12, ), (6, )),
        'base': (768, (12, ), (12, )),
        'large': (1024, (24, ), (16, )),
    },
}


@dataclass(frozen=True)
class Contents:
    """What a state dict holds. Whatever cannot be told from the parameters that are there is None or empty.

    Args:
        title (str): What it is, for people.
        family (str): Whose names it has: ``'official'``, ``'mmsimmim'`` (OpenMMLab's, bare or a whole model),
            ``'timm'`` or ``'hf'``. timm's BEiT has the official names, and counts as official.
        encoder (str): ``'swin'``, ``'swin_v2'`` or ``'vit'``.
        arch (str | None): Name of the architecture among ours.
        embed_dims (int | None): Channels after the patch embedding.
        depths (tuple[int, ...]): Blocks of each stage; a ViT has one stage.
        num_heads (tuple[int | None, ...]): Heads of each stage.
        windows (tuple[int | None, ...]): Side of each stage's windows, tokens; the grid of a ViT. Swin V2 files tell it
            only where they carry index buffers.
        patch_size (int | None): Side of a patch, pixels.
        in_channels (int | None): Channels of the images.
        resolution (int | None): Side of the images, pixels; a Swin tells it by shift masks or by a window that has
            shrunk to its map.
        mask_token (bool): Whether there is a mask token.
        decoder (bool): Whether there is SimMIM's linear decoder.
        num_classes (int | None): Outputs of a classifier.
        shared_table (bool | None): Of a ViT: whether all blocks share one table of position biases; None without any.
        other_parts (tuple[str, ...]): Parts of the model that do not convert, such as a detector's heads.
    """

    title: str
    family: str
    encoder: str
    arch: str | None
    embed_dims: int | None
    depths: tuple[int, ...]
    num_heads: tuple[int | None, ...]
    windows: tuple[int | None, ...]
    patch_size: int | None
    in_channels: int | None
    resolution: int | None
    mask_token: bool
    decoder: bool
    num_classes: int | None
    shared_table: bool | None
    other_parts: tuple[str, ...]


def recognise(state_dict: dict[str, Tensor]) -> Contents:
    """Say what a state dict holds.

    Args:
        state_dict (dict[str, Tensor]): Parameters and buffers. Values are not read, only names and shapes.

    Returns:
        Contents: What it is.

    Raises:
        UnknownCheckpoint: (a ValueError) If it holds no encoder that we have, or keys that are no part of it.
    """
    form = require_form(state_dict)
    ours = read_form({key: tensor.to('meta') for key, tensor in state_dict.items()}, form)
    shapes = {key.removeprefix('backbone.'): tuple(tensor.shape) for key, tensor in ours.items()}
    embed_dims, in_channels, patch_size = shapes.get('patch_embed.projection.weight', (None, ) * 4)[:3]
    depths = _depths(shapes)
    windows = _windows(state_dict, shapes, len(depths), form.encoder)
    num_heads = _num_heads(shapes, len(depths))
    return Contents(
        title=form.title,
        family=form.family,
        encoder=form.encoder,
        arch=next((name for name, numbers in ARCHITECTURES[form.encoder].items()
                   if numbers == (embed_dims, depths, num_heads)), None),
        embed_dims=embed_dims,
        depths=depths,
        num_heads=num_heads,
        windows=windows,
        patch_size=patch_size,
        in_channels=in_channels,
        resolution=_resolution(state_dict, windows, patch_size, form.encoder),
        mask_token='mask_token' in shapes,
        decoder='neck.decoder.0.weight' in shapes,
        num_classes=shapes.get('head.fc.weight', (None, ))[0],
        shared_table=_shares_table(shapes) if form.encoder == 'vit' else None,
        other_parts=other_parts(state_dict, form))


Shapes = dict[str, tuple[int, ...]]


def _stage_and_block(name: str) -> tuple[int, int] | None:
    """Numbers of stage and block in a name, ours or a foreign one; a ViT has one stage."""
    found = re.search(r'(?:layers|stages)\.(\d+)\.blocks\.(\d+)\.', name)
    if found:
        return int(found[1]), int(found[2])
    found = re.match(r'layers\.(\d+)\.', name)
    return (0, int(found[1])) if found else None


def _depths(shapes: Shapes) -> tuple[int, ...]:
    depths = {}
    for stage, block in filter(None, map(_stage_and_block, shapes)):
        depths[stage] = max(depths.get(stage, 0), block + 1)
    return tuple(depths.get(stage, 0) for stage in range(max(depths, default=-1) + 1))


def _each_stage(shapes: Shapes, ending: str, number_of: Callable[[tuple[int, ...]], int]) -> dict[int, int]:
    """For each stage a number of the first shape whose name ends like that; what is in no stage counts as the first."""
    numbers = {}
    for name, shape in shapes.items():
        if name.endswith(ending):
            stage, _ = _stage_and_block(name) or (0, 0)
            numbers.setdefault(stage, number_of(shape))
    return numbers


def _num_heads(shapes: Shapes, num_stages: int) -> tuple[int | None, ...]:
    heads = _each_stage(shapes, '.relative_position_bias_table', lambda shape: shape[1])
    heads |= _each_stage(shapes, '.logit_scale', lambda shape: shape[0])
    return tuple(heads.get(stage) for stage in range(num_stages))


def _windows(state_dict: dict[str, Tensor], shapes: Shapes, num_stages: int, encoder: str) -> tuple[int | None, ...]:
    buffers = {name: tuple(tensor.shape) for name, tensor in state_dict.items()}
    class_token_rows = 3 if 'cls_token' in shapes else 0
    windows = _each_stage(buffers, '.relative_coords_table', lambda shape: (shape[1] + 1) // 2)
    if encoder != 'vit':
        windows |= _each_stage(buffers, '.relative_position_index', lambda shape: math.isqrt(shape[0]))
    windows |= _each_stage(shapes, '.relative_position_bias_table',
                           lambda shape: (math.isqrt(shape[0] - class_token_rows) + 1) // 2)
    return tuple(windows.get(stage) for stage in range(num_stages))


def _resolution(state_dict: dict[str, Tensor], windows: tuple[int | None, ...], patch_size: int | None,
                encoder: str) -> int | None:
    """Side of the images: the map of some stage times its stride."""
    if patch_size is None or not windows:
        return None
    if encoder == 'vit':
        return windows[0] and windows[0] * patch_size
    masks = {name: tuple(tensor.shape) for name, tensor in state_dict.items()}
    maps = _each_stage(masks, '.attn_mask', lambda shape: math.isqrt(shape[0] * shape[1]))
    widest = max(window or 0 for window in windows)
    maps |= {stage: window for stage, window in enumerate(windows) if window and window < widest}
    return next((side * 2**stage * patch_size for stage, side in maps.items()), None)


def _shares_table(shapes: Shapes) -> bool | None:
    if 'rel_pos_bias.relative_position_bias_table' in shapes:
        return True
    return False if any(name.endswith('.relative_position_bias_table') for name in shapes) else None
