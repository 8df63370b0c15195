"""What the command line tools have in common: arguments, the config they build, and how they report mistakes."""

import argparse
import difflib
import os
import os.path as osp
import sys
from collections.abc import Callable
from functools import wraps

from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..errors import UserError
from .compiling import read_switch
from .config_variables import SETTINGS, carry_into_copies, carry_over, used_variables
from .distributed import carry_unused_parameters
from .initial_weights import check_palettes

# Settings of a run that a config need not have for them to count.
SWITCHES = SETTINGS | {'find_unused_parameters'}
# The names that MMEngine gives hooks without being asked.
MMENGINE_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


def report_mistakes(main: Callable) -> Callable:
    """Let a tool end on a :class:`UserError` with its message and exit code 1, instead of a traceback.

    Args:
        main (Callable): The tool.

    Returns:
        Callable: The same, wrapped.
    """

    @wraps(main)
    def wrapped(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except UserError as error:
            # A data loading worker's error arrives with the worker's traceback before the message.
            sys.exit(f'error: {str(error).rsplit("UserError: ", 1)[-1].strip()}')

    return wrapped


class OptionsAction(DictAction):
    """MMEngine's parser of ``key=value``, with a message in place of a traceback."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string}: {value!r} is not of the form key=value, such as '
                             'train_dataloader.batch_size=64 (no blanks around the equals sign)')
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, RecursionError, ValueError):
            parser.error(f'{option_string}: cannot read {" ".join(values)}: values are numbers, words, lists [a,b] and '
                         'tuples (a,b); set one key of a dictionary at a time, as model.backbone.arch.embed_dims=48')


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and testing share.

    Args:
        parser (argparse.ArgumentParser): The tool's parser.
    """
    parser.add_argument('--work-dir', help='folder for logs and results (default: work_dirs/NAME_OF_THE_CONFIG)')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE',
                        help='settings that replace those of the config, e.g. train_dataloader.batch_size=64 '
                             'model.backbone.drop_path_rate=0.1 key="[a,b]"')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='what started the processes; dist_*.sh and slurm_*.sh set it')
    parser.add_argument('--no-pin-memory', action='store_true', help='do not pin the memory of loaded batches')
    parser.add_argument('--no-persistent-workers', action='store_true',
                        help='start the data loading workers anew in every epoch')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help='set by old launchers; new ones use the environment variable LOCAL_RANK')


def load_config(args: argparse.Namespace, needed: tuple[str, ...]) -> tuple[Config, list[str]]:
    """Read the config and apply the common arguments to it.

    Args:
        args (argparse.Namespace): With ``config`` and what :func:`add_common_arguments` adds.
        needed (tuple[str]): Sections without which the tool can do nothing.

    Returns:
        tuple[Config, list[str]]: The config and messages for the log.

    Raises:
        UserError: The config is missing or broken, lacks a section, or an option does not fit into it.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = _read(args.config)
    messages = _merge(cfg, args.cfg_options or {})
    missing = [section for section in needed if cfg.get(section) is None]
    if missing:
        raise UserError(f'The config {args.config} does not set {", ".join(missing)}, without which there is nothing '
                        'to do here. Is it one of the files below configs/_base_?')
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or osp.join(
        'work_dirs', osp.splitext(osp.basename(args.config))[0])
    drop_disabled_hooks(cfg)
    set_up_loaders(cfg, args.no_pin_memory, args.no_persistent_workers)
    return cfg, messages


def drop_disabled_hooks(cfg: Config) -> None:
    """Let ``default_hooks.NAME=None`` switch off any hook; MMEngine knows that for its own ones only.

    Args:
        cfg (Config): Changed in place.
    """
    hooks = cfg.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook is None and name not in MMENGINE_HOOKS]:
        hooks.pop(name)


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


def build_runner(cfg: Config) -> Runner:
    """MMEngine's Runner, or the kind of runner that the config names.

    Args:
        cfg (Config): The config.

    Returns:
        Runner: The runner.

    Raises:
        UserError: A palette that the model needs is missing or broken, ``compile`` is neither a switch nor options, or
            ``find_unused_parameters`` is contradicted by ``model_wrapper_cfg``.
    """
    check_palettes(cfg)
    read_switch(cfg)
    carry_unused_parameters(cfg)
    if 'runner_type' not in cfg:
        return Runner.from_cfg(cfg)
    cfg.setdefault('env_cfg', {})  # which FlexibleRunner does not do without
    return RUNNERS.build(cfg)


def _read(path: str) -> Config:
    if not osp.isfile(path):
        folder = osp.dirname(path) or '.'
        similar = difflib.get_close_matches(osp.basename(path), os.listdir(folder) if osp.isdir(folder) else [], 3)
        hint = f' Did you mean {" or ".join(osp.join(folder, name) for name in similar)}?' if similar else ''
        raise UserError(f'The config {path} does not exist (working folder: {os.getcwd()}).{hint}')
    try:
        return Config.fromfile(path)
    except Exception as error:  # A config is a program of the user's: anything can go wrong in it.
        raise UserError(f'The config {path} cannot be read: {type(error).__name__}: {error}') from error


def _merge(cfg: Config, options: dict) -> list[str]:
    unknown = [key for key in options if key.split('.')[0] not in SWITCHES and not _has(cfg, key)]
    variables = used_variables(cfg, options)
    try:
        carried = carry_into_copies(cfg, options)
        cfg.merge_from_dict(options)
    except Exception as error:  # MMEngine raises many types here, all of which mean the same.
        raise UserError(f'--cfg-options {" ".join(f"{key}={value}" for key, value in options.items())} does not fit '
                        f'into the config: {error}') from error
    return [f'--cfg-options {key}: the config had no such key; it was added. Check the spelling if it was meant to '
            'replace one.' for key in unknown] + carried + carry_over(cfg, options, variables)


def _has(cfg: Config, key: str) -> bool:
    part = cfg
    for name in key.split('.'):
        if isinstance(part, (list, tuple)):
            if not name.isdigit() or int(name) >= len(part):
                return False
            part = part[int(name)]
        elif not isinstance(part, (dict, Config)) or name not in part:
            return False
        else:
            part = part[name]
    return True


def check_seed(seed: int) -> None:
    """UserError unless the argument ``--seed`` can be a seed of NumPy's generators."""
    if not 0 <= seed < 2**32:
        raise UserError(f'--seed must lie between 0 and 2**32 - 1, got {seed}.')
