"""Arguments of the encoder that a checkpoint is of: told by its parameters, its notes, or the caller, or refused."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...checkpoints import Contents
from ...checkpoints.sizes import is_whole, size
from ...errors import UserError
from ..backbones.hierarchy import windows_and_shifts
from ..backbones.swin_v2 import trained_windows
from .notes import Notes

# How the maps of a Swin are computed on images of any size, as in detection.
ANY = 'any'


def encoder_settings(contents: Contents, weights: dict[str, Tensor], names: Sequence[str], notes: Notes,
                     given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Find out all arguments of an encoder.

    Args:
        contents (Contents): What the parameters are.
        weights (dict[str, Tensor]): The parameters and buffers as in the file.
        names (Sequence[str]): Of the encoder's parameters in our form, without prefix.
        notes (Notes): What else the file says.
        given (dict[str, Any]): What the caller says; it comes first. ``img_size='any'`` is None of a Swin.

    Returns:
        tuple[dict[str, Any], list[str]]: Arguments of its class, and what was assumed, in sentences.

    Raises:
        UserError: If something cannot be told.
    """
    settings = dict(arch=_arch(contents, notes, given), in_channels=contents.in_channels or 3,
                    patch_size=contents.patch_size or (16 if contents.encoder == 'vit' else 4))
    fill = _vit if contents.encoder == 'vit' else _swin
    own, assumed = fill(contents, weights, names, notes, given, settings)
    rest = {key: value for key, value in given.items() if key not in ('img_size', 'window_size')}
    return {**settings, **own, **rest}, assumed


def _arch(contents: Contents, notes: Notes, given: dict[str, Any]) -> str | dict:
    if 'arch' in given or 'arch' in notes.backbone:
        return given.get('arch', notes.backbone.get('arch'))
    numbers = size(contents)
    if numbers.get('num_heads') is None and isinstance(notes.backbone.get('num_heads'), int):
        return {**numbers, 'num_heads': notes.backbone['num_heads']}
    if not is_whole(contents):
        known = ', '.join(f'{key}={value!r}' for key, value in numbers.items() if value is not None)
        raise UserError('the architecture is not to be told from its parameters alone, which say '
                        f'{known or "nothing"}. Give arch=dict(...) with all numbers, or a name such as '
                        f"arch='{'deit-tiny' if contents.encoder == 'vit' else 'tiny'}'")
    return contents.arch or numbers


# ---- Swin and Swin V2


def _swin(contents: Contents, weights: dict[str, Tensor], names: Sequence[str], notes: Notes, given: dict[str, Any],
          settings: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    assumed, stages = [], len(contents.depths)
    normed = tuple(i for i in range(stages) if f'norm{i}.weight' in names)
    trained_window = _window_of_the_file(contents, notes)
    trained_size = _size_of_the_file(contents, notes, normed, settings['patch_size'], trained_window, assumed)
    window = given['window_size'] if given.get('window_size') is not None else trained_window
    img_size = given['img_size'] if given.get('img_size') is not None else trained_size
    if window is None:
        raise UserError('the windows are not to be told: a Swin V2 has no parameters that depend on them, and nothing '
                        'is noted in the file. Give window_size=, and img_size= in pixels, of its training')
    if img_size is None:
        raise UserError(f'the image size is not to be told, and windows {window} act differently on maps that are not '
                        "larger. Give img_size= in pixels, or img_size='any' for windows as in detection")
    img_size = None if img_size == ANY else img_size
    own = dict(window_size=window, img_size=img_size, out_indices=normed or (stages - 1, ))
    if contents.encoder == 'swin_v2':
        own['pretrained_window_sizes'] = _windows_of_training(weights, notes, stages, settings['patch_size'], *(
            (trained_window, trained_size) if trained_window is not None and trained_size is not None else
            (window, img_size)))
    elif notes.backbone.get('bias_resize'):
        own['bias_resize'] = notes.backbone['bias_resize']
    return own, assumed


def _window_of_the_file(contents: Contents, notes: Notes) -> int | list[int] | None:
    """The window; one number where windows shrink only to their maps."""
    windows = contents.windows
    if not windows or None in windows:
        default = 8 if notes.whole else None  # of SwinTransformerV2
        return notes.backbone.get('window_size', default)
    if len(set(windows)) == 1:
        return windows[0]
    sides = notes.backbone.get('img_size') or contents.resolution
    if isinstance(sides, int) and contents.patch_size:
        shrunk = [window for window, _ in windows_and_shifts(max(windows), sides, contents.patch_size, len(windows))]
        return max(windows) if shrunk == list(windows) else list(windows)
    return list(windows)


def _size_of_the_file(contents: Contents, notes: Notes, normed: tuple[int, ...], patch_size: int,
                      window: int | Sequence[int] | None, assumed: list[str]) -> Any:
    """Pixels of the images, ``'any'`` as in detectors, or None if that is not to be told."""
    if notes.whole:
        return notes.backbone.get('img_size', ANY)
    if notes.backbone.get('img_size') is not None:
        return notes.backbone['img_size']
    if len(normed) > 1 or contents.other_parts and not (contents.mask_token or contents.num_classes):
        return ANY
    if contents.resolution is not None:
        return contents.resolution
    if isinstance(window, int):
        side = window * patch_size * 2**(len(contents.depths) - 1)
        assumed.append(f'Image size {side}, at which the last map is one window of {window}, as in all published '
                       'encoders: the file does not tell it. Set img_size= for another one')
        return side
    return None


def _windows_of_training(weights: dict[str, Tensor], notes: Notes, stages: int, patch_size: int,
                         window: int | Sequence[int], img_size: Any) -> list[int]:
    """Windows by which offsets are divided in Swin V2's position bias."""
    own = [side for side, _ in windows_and_shifts(window, None if img_size == ANY else img_size, patch_size, stages)]
    tables = trained_windows(weights)
    noted = notes.backbone.get('pretrained_window_sizes', 0)
    noted = [noted] * stages if isinstance(noted, int) else list(noted)
    return [tables.get(i) or noted[i] or own[i] for i in range(stages)]


# ---- ViT


def _vit(contents: Contents, weights: dict[str, Tensor], names: Sequence[str], notes: Notes, given: dict[str, Any],
         settings: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    names = set(names)
    noted = {key: value for key, value in notes.backbone.items()
             if key not in ('arch', 'num_heads', 'out_type', 'img_size', 'in_channels', 'patch_size')}
    own = dict(
        img_size=_vit_size(contents, weights, notes, given, settings['patch_size'], 'cls_token' in names),
        with_cls_token='cls_token' in names, use_abs_pos_emb='pos_embed' in names,
        use_shared_rel_pos_bias=contents.shared_table is True, use_rel_pos_bias=contents.shared_table is False,
        bias=True if 'layers.0.attn.qkv.bias' in names else 'qv_bias' if 'layers.0.attn.q_bias' in names else False,
        final_norm='ln1.weight' in names)
    if 'layers.0.gamma_1' not in names:
        own['layer_scale_init_value'] = 0.
    if given.get('window_size') is not None:
        own['window_size'] = given['window_size']
    return {**noted, **own}, []


def _vit_size(contents: Contents, weights: dict[str, Tensor], notes: Notes, given: dict[str, Any],
              patch_size: int, with_cls_token: bool) -> int | Sequence[int]:
    """Pixels that tables and position embeddings are for; they are resized for images of another size."""
    if given.get('img_size') not in (None, ANY):
        return given['img_size']
    if notes.backbone.get('img_size') is not None:
        return notes.backbone['img_size']
    if contents.resolution is not None:
        return contents.resolution
    positions = next((value.shape[1] for name, value in weights.items()
                      if name.endswith(('pos_embed', 'position_embeddings')) and value.ndim == 3), None)
    patches = (positions or 0) - with_cls_token
    if patches > 0 and math.isqrt(patches)**2 == patches:
        return math.isqrt(patches) * patch_size
    if positions is None and contents.shared_table is None:
        return 224  # nothing depends on it
    raise UserError('the image size is not to be told from its tables of positions, which may be of no square. Give '
                    'img_size=(HEIGHT, WIDTH) of its training, in pixels')
