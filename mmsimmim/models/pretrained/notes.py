"""What stands in a checkpoint, or beside it, about windows, image size and preprocessing.

Parameters do not tell all of it. Three places may: the config that MMEngine writes into its checkpoints, the recipe of
the official scripts, and the ``config.json`` and ``preprocessor_config.json`` beside a file of timm or Hugging Face.
None of them is run.
"""

import json
import os.path as osp
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...checkpoints import Contents
from ...checkpoints.recipe import read_recipe
from ...checkpoints.resuming.model_settings import read_section
from ...checkpoints.sizes import CLASSES
from ...errors import UserError

# Of training alone, or of the place where the model was built.
NOT_KEPT = ('type', 'init_cfg', 'with_cp', 'frozen_stages', 'sequential_stages', '_delete_')
OFFICIAL = 'model.backbone.'
# What timm and Hugging Face call their files; of others in the folder the JSON files say nothing.
SAVED = ('model.safetensors', 'pytorch_model.bin')


@dataclass
class Notes:
    """What was found.

    Args:
        backbone (dict[str, Any]): Arguments of our encoder.
        whole (bool): Whether these are all that it had, so that others had their defaults.
        model (dict[str, Any]): Settings of a whole ``mmsimmim.SimMIM``.
        target_generator (dict[str, Any], optional): Of an official pre-training.
        mean (list[float], optional): Of the channels, for images of 0 to 255.
        std (list[float], optional): Likewise.
        bgr (bool): Whether the model sees three channels as blue, green, red.
        classes (tuple[str, ...]): Names of a classifier's classes.
    """

    backbone: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    model: dict[str, Any] = field(default_factory=dict)
    target_generator: dict[str, Any] | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    bgr: bool = False
    classes: tuple[str, ...] = ()


def read_notes(path: str, checkpoint: Mapping[str, Any], contents: Contents) -> Notes:
    """Collect what a checkpoint says beside its parameters.

    Args:
        path (str): The file.
        checkpoint (Mapping[str, Any]): Its content.
        contents (Contents): What its parameters are.

    Returns:
        Notes: Empty where it says nothing.
    """
    notes = Notes()
    _read_beside(notes, path, contents)
    _read_recipe(notes, checkpoint, contents)
    meta = checkpoint.get('meta')
    if isinstance(meta, Mapping):
        _read_config(notes, meta.get('cfg'), contents)
        dataset = meta.get('dataset_meta')
        classes = dataset.get('classes') if isinstance(dataset, Mapping) else None
        notes.classes = tuple(map(str, classes)) if isinstance(classes, (list, tuple)) else ()
    return notes


def _read_config(notes: Notes, text: Any, contents: Contents) -> None:
    """From the config of OpenMMLab, as MMEngine writes it out."""
    model = read_section(text, 'model')
    if not isinstance(model, dict):
        return
    _read_preprocessor(notes, read_section(text, 'data_preprocessor'))
    _read_preprocessor(notes, model.get('data_preprocessor'))
    backbone = model.get('backbone')
    if not isinstance(backbone, dict):
        return
    if backbone.get('type') == f'mmsimmim.{CLASSES[contents.encoder]}':
        notes.backbone = {key: value for key, value in backbone.items() if key not in NOT_KEPT and value is not None}
        notes.whole = True
        notes.model = model if model.get('type') == 'mmsimmim.SimMIM' else {}
    elif isinstance(backbone.get('img_size'), int) and not backbone.get('pad_small_map'):
        notes.backbone['img_size'] = backbone['img_size']


def _read_preprocessor(notes: Notes, settings: Any) -> None:
    if isinstance(settings, dict) and settings.get('mean') and settings.get('std'):
        notes.mean, notes.std = settings['mean'], settings['std']
        # OpenMMLab's pipelines load BGR
        notes.bgr = not any(settings.get(key) for key in ('bgr_to_rgb', 'to_rgb', 'rgb_to_bgr'))


def _read_recipe(notes: Notes, checkpoint: Mapping[str, Any], contents: Contents) -> None:
    """From the settings that the official scripts save."""
    try:
        recipe = read_recipe(checkpoint, contents.mask_token or contents.decoder)
    except UserError:
        return
    if recipe is None:
        return
    settings = recipe.settings
    for name in ('img_size', 'window_size', 'pretrained_window_sizes'):
        if settings.get(OFFICIAL + name) is not None and not (contents.encoder == 'vit' and name != 'img_size'):
            notes.backbone[name] = settings[OFFICIAL + name]
    if settings.get(OFFICIAL + 'arch.num_heads') is not None:
        notes.backbone['num_heads'] = settings[OFFICIAL + 'arch.num_heads']
    target = {key.rpartition('.')[2]: value for key, value in settings.items()
              if key.startswith('model.target_generator.') and value is not None}
    notes.target_generator = target or None


def _read_beside(notes: Notes, path: str, contents: Contents) -> None:
    """From the JSON files that timm and Hugging Face save with their weights."""
    folder, name = osp.split(osp.expanduser(path))
    config, images = (_read_json(osp.join(folder, beside)) if name in SAVED else {}
                      for beside in ('config.json', 'preprocessor_config.json'))
    if contents.family == 'hf':
        names = dict(img_size='image_size', window_size='window_size', num_heads='num_attention_heads',
                     pretrained_window_sizes='pretrained_window_sizes')
        if contents.encoder == 'vit':
            names = dict(img_size='image_size', num_heads='num_attention_heads')
            notes.backbone['norm_cfg'] = dict(type='LN', eps=config.get('layer_norm_eps', 1e-12))  # their default
        notes.backbone |= {ours: config[theirs] for ours, theirs in names.items() if config.get(theirs) is not None}
    published = config.get('pretrained_cfg') if isinstance(config.get('pretrained_cfg'), dict) else {}
    size = published.get('input_size')
    if isinstance(size, list) and len(size) == 3:
        notes.backbone['img_size'] = size[1]
    mean, std = published.get('mean', images.get('image_mean')), published.get('std', images.get('image_std'))
    if isinstance(mean, list) and isinstance(std, list):
        notes.mean, notes.std = [255 * value for value in mean], [255 * value for value in std]


def _read_json(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
