"""What a person has set in the config, as far as encoder and recipe depend on it."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import UserError
from ...recipes import Machine
from ...recipes.whole import is_whole
from ..config.loading import read_config
from ..config.options import SETTINGS
from .architectures import Architecture, architecture, default_architecture, shown_name
from .start import Start
from .write import find_base

# Variables of the config that are arguments of the recipe, numbers of the encoder, and where variables end up.
OF_RECIPE = ('img_size', 'mask_patch_size', 'mask_ratio', 'lr', 'max_iters')
OF_ARCH = 'model.backbone.arch'
TWINS = {'optim_wrapper.optimizer.lr': 'lr', 'train_cfg.max_iters': 'max_iters',
         'train_dataloader.batch_size': 'batch_size', 'optim_wrapper.accumulative_counts': 'accumulative_counts'}


def check_names(arch: str | None, settings: Mapping[str, Any], config: str | None) -> None:
    """Refuse names that there are not, before the images are looked at.

    Args:
        arch (str, optional): Of an encoder.
        settings (Mapping[str, Any]): What is set in the config.
        config (str, optional): Another config than the one for the encoder.

    Raises:
        UserError: There is no such encoder, config or setting, or a setting is one that others do not follow.
    """
    encoder = architecture(arch) if arch else default_architecture(1, True)
    there = read_config(find_base(config or encoder.config))
    for key in settings:
        if key in TWINS:
            raise UserError(f'--set {key}=...: set {TWINS[key]}, which the rest of the recipe follows.')
        if '.' not in key and key not in there and key not in SETTINGS:
            similar = difflib.get_close_matches(key, there, 3)
            hint = f' Did you mean {" or ".join(similar)}?' if similar else ''
            raise UserError(f'--set {key}=...: there is no such variable in {config or encoder.config}.{hint}')


def asked_architecture(arch: str | None, settings: Mapping[str, Any], num_images: int, on_cpu: bool,
                       start: Start | None = None) -> Architecture:
    """The encoder: by its name, by what is set in the config, that of a checkpoint, or else the one that fits.

    Args:
        arch (str, optional): Its name.
        settings (Mapping[str, Any]): What is set in the config.
        num_images (int): To train on.
        on_cpu (bool): Whether there is no other device.
        start (Start, optional): The checkpoint that the run begins with.

    Raises:
        UserError: There is none, or two are named.
    """
    if OF_ARCH in settings:
        raise UserError(f'--set {OF_ARCH}={settings[OF_ARCH]}: name the encoder by --arch, which other settings '
                        f'follow, and change a number of it as in --set {OF_ARCH}.embed_dims=48.')
    named = arch or 'arch' in settings or any(key.startswith(f'{OF_ARCH}.') for key in settings)
    if start is not None and not named:
        return start.architecture(None)
    chosen = _named(arch, settings, architecture(arch) if arch else default_architecture(num_images, on_cpu))
    return chosen if start is None else start.architecture(chosen)


def _named(arch: str | None, settings: Mapping[str, Any], chosen: Architecture) -> Architecture:
    if 'arch' in settings:
        named = architecture(_full_name(chosen.family, settings['arch']))
        if arch and named[1:] != chosen[1:]:
            raise UserError(f'--arch {arch} and --set arch={settings["arch"]} name two encoders: give one of them.')
        chosen = named
    changes = {key.rpartition('.')[2]: value for key, value in settings.items() if key.startswith(f'{OF_ARCH}.')}
    if chosen.family == 'vit' and 'embed_dims' in changes:
        changes.setdefault('feedforward_channels', 4 * changes['embed_dims'])
    return chosen._replace(changes=changes, patch_size=settings.get('model_patch_size'))


def _full_name(family: str, arch: str) -> str:
    return f'{family}-{shown_name(family, arch)}'


def asked_recipe(asked: Mapping[str, Any], settings: Mapping[str, Any],
                 machine: Machine) -> tuple[dict[str, Any], Machine]:
    """What the recipe has to go by, as it is asked for by options or set in the config.

    Args:
        asked (Mapping[str, Any]): By options; None for what is not.
        settings (Mapping[str, Any]): What is set in the config.
        machine (Machine): The machine.

    Raises:
        UserError: Both say the same thing, or what is set is out of range.
    """
    asked = dict(asked)
    for length in ('epochs', 'hours'):
        if 'max_iters' in settings and asked.get(length) is not None:
            raise UserError(f'--{length} and --set max_iters=... both say how long to train: give one of them.')
    if 'accumulative_counts' in settings and 'batch_size' not in settings:
        raise UserError('--set accumulative_counts=... needs batch_size=... beside it; or give --batch-size, which '
                        'comes in as many parts as the memory asks for.')
    for name in OF_RECIPE:
        if name in settings:
            if asked.get(name) is not None:
                raise UserError(f'--{name.replace("_", "-")} and --set {name}=... say the same: give one of them.')
            asked[name] = settings[name]
    if 'precision' in settings:
        machine = replace(machine, precision=settings['precision'])
    if 'batch_size' in settings:
        return _with_set_batch(asked, settings, machine)
    return asked, machine


def _with_set_batch(asked: dict[str, Any], settings: Mapping[str, Any],
                    machine: Machine) -> tuple[dict[str, Any], Machine]:
    if asked.get('batch_size') is not None:
        raise UserError('--batch-size and --set batch_size=... both say how many images a step has, the one of all '
                        'devices, the other of each: give one of them.')
    number, parts = settings['batch_size'], settings.get('accumulative_counts', 1)
    if not is_whole(parts):
        raise UserError(f'accumulative_counts must be a whole number from 1 on, got {parts!r}.')
    machine = replace(machine, largest_batch=number)  # which refuses what is no number
    return dict(asked, batch_size=number * machine.devices * parts), machine
