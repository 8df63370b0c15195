"""The config of a command, with its options applied."""

import argparse
import difflib
import os
import os.path as osp
from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.utils import import_modules_from_strings

from ...checkpoints.storage import check_folder
from ...errors import UserError, why_missing
from ..common.warnings_once import show_warnings_once
from .encoder_size import follow_encoder, spell_out_archs
from .kinds import check_kinds
from .options import added_keys, merge_options, top
from .reading import ConfigReading
from .values import check_values
from .variables import keep_slashes, set_variables

# The names that MMEngine gives hooks without being asked.
MMENGINE_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


def load_config(args: argparse.Namespace, needed: tuple[str, ...]) -> tuple[Config, list[str]]:
    """Read the config and apply the common arguments to it.

    Args:
        args (argparse.Namespace): With ``config``, which :func:`find_config` takes, and what
            :func:`add_common_arguments` adds.
        needed (tuple[str]): Sections without which the tool can do nothing.

    Returns:
        tuple[Config, list[str]]: The config and messages for the log.

    Raises:
        UserError: The config is missing or broken, lacks a section, an option does not fit into it, a value is out
            of its range, or nothing can be written in the work folder.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    show_warnings_once(args.launcher)
    cfg, messages = read_with_options(find_config(args.config), args.cfg_options or {})
    missing = [section for section in needed if cfg.get(section) is None]
    if missing:
        raise UserError(f'The config {args.config} does not set {", ".join(missing)}, without which there is nothing '
                        'to do here. Is it one of the files below configs/_base_?')
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or osp.join(
        'work_dirs', osp.splitext(osp.basename(args.config))[0])
    if cfg.get('default_scope') is None:
        cfg.pop('default_scope', None)  # MMEngine's default goes for a missing one alone
    check_values(cfg)
    check_folder(cfg.work_dir)
    drop_disabled_hooks(cfg)
    set_up_loaders(cfg, args.no_pin_memory, args.no_persistent_workers)
    return cfg, messages


def find_config(name: str) -> str:
    """Path of a config that came with an installed package.

    Args:
        name (str): As in MMEngine's ``_base_``: ``'mmsimmim::pretrain/NAME.py'``. A path is returned as it is.

    Returns:
        str: The path.

    Raises:
        UserError: The package is not installed, or has no such config.
    """
    if '::' not in name:
        return name
    try:
        return Config._get_cfg_path(name, '')[0]  # what reads `_base_`
    except Exception as error:  # of many types, assertions among them
        raise UserError(f'The config {name} is not found: {error} Give it as PACKAGE::FOLDER/NAME.py, such as '
                        'mmsimmim::pretrain/NAME.py or mmdet::retinanet/NAME.py.') from error


def read_with_options(path: str, options: dict[str, Any]) -> tuple[Config, list[str]]:
    """Read a config and apply options to it: those for variables at its top, then those for sections.

    Args:
        path (str): The config.
        options (dict): Values by full key.

    Returns:
        tuple[Config, list[str]]: The config and messages for the log.

    Raises:
        UserError: The config is missing or broken, or an option does not fit into it.
    """
    reading = ConfigReading(path)
    before = _read(reading)
    trial, given = deepcopy(before), options
    options = spell_out_archs(trial, given)
    check_kinds(trial, options)
    messages = added_keys(trial, options)
    options = keep_slashes(trial, options)
    merge_options(trial, options)  # an option that does not fit is reported before any file
    cfg, more = set_variables(before, reading, options)
    cfg = deepcopy(cfg)
    spell_out_archs(cfg, given)
    merge_options(cfg, options)
    if any(top(key) == 'custom_imports' for key in options):
        _import(cfg)
    return cfg, messages + more + follow_encoder(before, cfg, options)


def _import(cfg: Config) -> None:
    """Import what ``custom_imports`` names, which MMEngine does as it reads a file, before there are options."""
    try:
        import_modules_from_strings(**(cfg.get('custom_imports') or dict(imports=[])))
    except Exception as error:  # the user's own modules can raise anything
        raise UserError(f'custom_imports={cfg.custom_imports}: {type(error).__name__}: {error}') from error


def drop_disabled_hooks(cfg: Config) -> None:
    """Let ``default_hooks.NAME=None`` switch off any hook; MMEngine knows that for its own ones only.

    Args:
        cfg (Config): Changed in place.
    """
    hooks = cfg.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook is None and name not in MMENGINE_HOOKS]:
        hooks.pop(name)


def drop_idle_visualization(cfg: Config) -> None:
    """Remove mmsegmentation's visualization hook where it draws nothing, of which it warns in every run.

    Args:
        cfg (Config): Changed in place.
    """
    hook = (cfg.get('default_hooks') or {}).get('visualization') or {}
    if str(hook.get('type')).endswith('SegVisualizationHook') and not hook.get('draw') and not hook.get('show'):
        cfg.default_hooks.pop('visualization')


def set_up_loaders(cfg: Config, no_pin_memory: bool, no_persistent_workers: bool) -> None:
    """Give all data loaders OpenMMLab's defaults, and settings that go with their number of workers.

    Args:
        cfg (Config): Changed in place.
        no_pin_memory (bool): Pin no memory, whatever the config says.
        no_persistent_workers (bool): End workers with each epoch, whatever the config says.
    """
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader is None:
            continue
        loader.setdefault('pin_memory', True)
        loader.setdefault('persistent_workers', True)
        if cfg.get('default_scope') == 'mmpretrain':
            # mmpretrain's models take stacked images, the others' lists: MMEngine's own default.
            loader.setdefault('collate_fn', dict(type='default_collate'))
        if no_pin_memory or get_device() == 'cpu':
            loader.pin_memory = False
        if no_persistent_workers or not loader.get('num_workers'):
            loader.persistent_workers = False


def read_config(path: str) -> Config:
    """The config in a file; UserError if there is none, or it cannot be read."""
    return _read(ConfigReading(path))


def _read(reading: ConfigReading) -> Config:
    path = reading.path
    if osp.isdir(path):
        inside = sorted(name for name in os.listdir(path) if name.endswith('.py'))
        hint = f', one of those in it: {", ".join(inside[:5])}{", ..." * (len(inside) > 5)}' if inside else ''
        raise UserError(f'{path} is a folder. Give a config file{hint}.')
    if not osp.isfile(path):
        folder = osp.dirname(path) or '.'
        similar = difflib.get_close_matches(osp.basename(path), os.listdir(folder) if osp.isdir(folder) else [], 3)
        hint = f' Did you mean {" or ".join(osp.join(folder, name) for name in similar)}?' if similar else ''
        raise UserError(f'The config {path} {why_missing(path)}.{hint}')
    try:
        return reading.read()
    except Exception as error:  # A config is a program of the user's: anything can go wrong in it.
        raise UserError(f'The config {path} cannot be read: {type(error).__name__}: {error}') from error
