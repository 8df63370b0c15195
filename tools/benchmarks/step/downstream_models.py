"""Mask R-CNN and UPerNet of the shipped configs, with this package's Swin and with the framework's own."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from mmsimmim.architectures import SWIN
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS

if TYPE_CHECKING:
    from torch import nn

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'


@dataclass(frozen=True)
class Task:
    """A downstream task.

    Args:
        framework (str): Whose model it is, also the scope of its registries.
        config (str): Its config, below ``configs``, for any ``{arch}``.
        size (int): Side of the images in training, pixels.
        batch_size (int): Images per step.
        title (str): What the model is called.
    """

    framework: str
    config: str
    size: int
    batch_size: int
    title: str


TASKS = {
    'det': Task('mmdet', '_base_/models/mask-rcnn_swin-{arch}-w7.py', 1024, 4, 'Mask R-CNN'),
    'seg': Task('mmseg', '_base_/models/upernet_swin-{arch}-w7.py', 512, 8, 'UPerNet'),
}
ARCHS = {name: SWIN[name] for name in ('tiny', 'base')}


def model_config(task: Task, arch: str) -> ConfigDict:
    """The model as the config has it, without the random numbers of stochastic depth, and for one process."""
    model = Config.fromfile(CONFIGS / task.config.format(arch=arch)).model
    # Both classes draw these numbers, and not in the same order.
    model.backbone.drop_path_rate = 0.0
    return model


def with_own_backbone(model: ConfigDict, framework: str) -> ConfigDict:
    """The same model around the Swin of the framework.

    Raises:
        UserError: The backbone is no Swin of this package.
    """
    ours = model.backbone
    if ours.type != 'mmsimmim.SwinTransformer':
        raise UserError(f'{ours.type} has no counterpart in {framework}.')
    sizes = SWIN[ours.arch] if isinstance(ours.arch, str) else ours.arch
    own = deepcopy(model)
    own.backbone = ConfigDict(type=f'{framework}.SwinTransformer', **sizes, window_size=ours.window_size,
                              drop_path_rate=0.0, out_indices=ours.out_indices)
    return own


def build_pair(model: ConfigDict, framework: str) -> tuple[nn.Module, nn.Module]:
    """Ours and theirs, with the same random weights.

    Args:
        model (ConfigDict): With a Swin of this package.
        framework (str): ``'mmdet'`` or ``'mmseg'``.

    Returns:
        tuple[nn.Module, nn.Module]: The model, and that of :func:`with_own_backbone`.

    Raises:
        UserError: The weights of one do not go into the other.
    """
    import torch
    from mmengine.model import revert_sync_batchnorm

    init_default_scope(framework)
    torch.manual_seed(0)
    ours, theirs = (revert_sync_batchnorm(MODELS.build(deepcopy(config)))
                    for config in (model, with_own_backbone(model, framework)))
    found = theirs.load_state_dict(ours.state_dict(), strict=False)
    missing = [key for key in found.missing_keys if not key.endswith('relative_position_index')]
    if missing or found.unexpected_keys:
        raise UserError(f'weights of ours do not go into {framework}: {missing + found.unexpected_keys}')
    return ours, theirs
