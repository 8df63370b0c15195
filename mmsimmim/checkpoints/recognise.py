"""Say what a state dict holds, by its keys and shapes."""

import math
import re
from collections.abc import Callable

from torch import Tensor

from .contents import Contents
from .engine import other_parts, read_form, require_form
from .sizes import name_of, size_of


def recognise(state_dict: dict[str, Tensor]) -> Contents:
    """Say what a state dict holds.

    Args:
        state_dict (dict[str, Tensor]): Parameters and buffers. Values are not read, only names and shapes.

    Returns:
        Contents: What it is.

    Raises:
        UnknownCheckpoint: (a ValueError) If it holds no supported encoder, or unknown keys.
    """
    form = require_form(state_dict)
    ours = read_form({key: tensor.to('meta') for key, tensor in state_dict.items()}, form)
    shapes = {key.removeprefix('backbone.'): tuple(tensor.shape) for key, tensor in ours.items()}
    patches = shapes.get('patch_embed.projection.weight', ())
    embed_dims, in_channels, patch_size = patches[:3] if len(patches) == 4 else (None, None, None)
    depths = _depths(shapes)
    windows = _windows(state_dict, shapes, len(depths))
    numbers = dict(
        embed_dims=embed_dims,
        depths=depths,
        num_heads=_num_heads(shapes, len(depths)),
        feedforward_channels=_outputs(shapes, 'ffn.layers.0.0.weight'),
        extra_norm_every_n_blocks=_extra_norm_interval(shapes))
    return Contents(
        title=form.title,
        family=form.family,
        encoder=form.encoder,
        arch=name_of(form.encoder, size_of(form.encoder, **numbers)),
        windows=windows,
        patch_size=patch_size,
        in_channels=in_channels,
        resolution=_resolution(state_dict, windows, patch_size, form.encoder),
        mask_token='mask_token' in shapes,
        decoder='neck.decoder.0.weight' in shapes,
        num_classes=_outputs(shapes, 'head.fc.weight'),
        shared_table=_shares_table(shapes) if form.encoder == 'vit' else None,
        other_parts=other_parts(state_dict, form),
        **numbers)


Shapes = dict[str, tuple[int, ...]]


def _extra_norm_interval(shapes: Shapes) -> int | None:
    """The n of which every n-th block of each stage, and no other, has one more norm; 0 without any, else None."""
    blocks = {place for place in map(_stage_and_block, shapes) if place}
    with_norm = {_stage_and_block(name) for name in shapes if name.endswith('.norm3.weight')} - {None}
    interval = min((block + 1 for _, block in with_norm), default=0)
    regular = {(stage, block) for stage, block in blocks if interval and (block + 1) % interval == 0}
    return interval if regular == with_norm else None


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


def _each_stage(shapes: Shapes, ending: str, dims: int, number_of: Callable[..., int | None]) -> dict[int, int]:
    """For each stage a number from the first shape whose name ends so; a name in no stage counts as the first's.

    Args:
        shapes (dict[str, tuple[int, ...]]): Of named tensors.
        ending (str): Of the names.
        dims (int): Of the tensors; others are ignored.
        number_of (Callable): Takes the sizes, returns the number, or None.
    """
    numbers = {}
    for name, shape in shapes.items():
        if name.endswith(ending) and len(shape) == dims:
            stage, _ = _stage_and_block(name) or (0, 0)
            numbers.setdefault(stage, number_of(*shape))
    return numbers


def _outputs(shapes: Shapes, ending: str) -> int | None:
    """Outputs of the first linear layer whose name ends so."""
    return next((shape[0] for name, shape in shapes.items() if name.endswith(ending) and len(shape) == 2), None)


def _num_heads(shapes: Shapes, num_stages: int) -> tuple[int | None, ...]:
    heads = _each_stage(shapes, '.relative_position_bias_table', 2, lambda rows, heads: heads)
    heads |= _each_stage(shapes, '.logit_scale', 3, lambda heads, *_: heads)
    return tuple(heads.get(stage) for stage in range(num_stages))


def _windows(state_dict: dict[str, Tensor], shapes: Shapes, num_stages: int) -> tuple[int | None, ...]:
    """From the rows of bias tables, or the coordinate tables of Swin V2 that lie beside them in some files."""
    given = {name: tuple(tensor.shape) for name, tensor in state_dict.items()}
    windows = _each_stage(given, '.relative_coords_table', 4, lambda _, offsets, *__: (offsets + 1) // 2)
    # a ViT has three rows more, to, from and of the class token
    windows |= _each_stage(shapes, '.relative_position_bias_table', 2,
                           lambda rows, heads: _window_of(rows) or _window_of(rows - 3))
    return tuple(windows.get(stage) for stage in range(num_stages))


def _window_of(rows: int) -> int | None:
    """Side of the square window with this number of offsets; None if there is none."""
    offsets = math.isqrt(max(rows, 0))
    return (offsets + 1) // 2 if offsets**2 == rows and offsets % 2 else None


def _resolution(state_dict: dict[str, Tensor], windows: tuple[int | None, ...], patch_size: int | None,
                encoder: str) -> int | None:
    """Side of the images: the feature map of a stage times its stride."""
    if patch_size is None or not windows:
        return None
    if encoder == 'vit':
        return windows[0] and windows[0] * patch_size
    given = {name: tuple(tensor.shape) for name, tensor in state_dict.items()}
    maps = _each_stage(given, '.attn_mask', 3, lambda count, tokens, _: math.isqrt(count * tokens))
    widest = max(window or 0 for window in windows)
    maps |= {stage: window for stage, window in enumerate(windows) if window and window < widest}
    return next((side * 2**stage * patch_size for stage, side in maps.items()), None)


def _shares_table(shapes: Shapes) -> bool | None:
    if 'rel_pos_bias.relative_position_bias_table' in shapes:
        return True
    return False if any(name.endswith('.relative_position_bias_table') for name in shapes) else None
