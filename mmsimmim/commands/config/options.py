"""Options that commands share, and how ``--cfg-options`` change a config."""

import argparse
import inspect
from copy import deepcopy
from functools import cache
from typing import Any

from mmengine.config import Config

from ...errors import UserError
from .option_values import parse_value

# The keys of mmsimmim.datasets.MASK_STRATEGIES, whose values need PyTorch.
MASK_NAMES = ('random', 'square', 'central-square', 'block-wise')
# Words and numbers at the top of a config that MMEngine's Runner reads itself: they stand for nothing else.
SETTINGS = frozenset({'work_dir', 'load_from', 'resume', 'launcher', 'log_level', 'default_scope', 'experiment_name',
                      'runner_type', 'compile'})
# Settings of a run that a config need not have for them to count.
SWITCHES = SETTINGS | {'find_unused_parameters'}
MISSING = object()


@cache
def sections() -> frozenset[str]:
    """What MMEngine's Runners and our commands read at the top of a config."""
    from mmengine.runner import Runner
    return frozenset({*inspect.signature(Runner.__init__).parameters, 'strategy', 'model_wrapper_cfg', 'tta_model',
                      'tta_pipeline', 'custom_imports'})


class OptionsAction(argparse.Action):
    """Reads ``key=value`` as MMEngine's action does, but keeps spaces in values, and reports mistakes."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        options = dict(getattr(namespace, self.dest, None) or {})
        for pair in values:
            key, equals, value = pair.partition('=')
            if not equals:
                parser.error(f'{option_string}: {pair!r} is not of the form key=value, such as '
                             'train_dataloader.batch_size=64 (no blanks around the equals sign; a value with blanks '
                             'needs quotes, as in classes="[traffic light,car]")')
            try:
                options[key] = parse_value(value)
            except (RecursionError, ValueError) as error:
                parser.error(f'{option_string}: cannot read {pair}: values are numbers, words, lists [a,b] and tuples '
                             '(a,b); set one key of a dictionary at a time, as model.backbone.arch.embed_dims=48 '
                             f'({error})')
        setattr(namespace, self.dest, options)


def add_config_options(parser: argparse.ArgumentParser, help: str) -> None:
    """Add ``--cfg-options`` to a command that reads configs and runs no training.

    What else :func:`~.loading.load_config` reads gets values that do not matter to such a command.

    Args:
        parser (argparse.ArgumentParser): The command's parser.
        help (str): What the settings are for.
    """
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE', help=help)
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0, no_pin_memory=False, no_persistent_workers=False)


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
    parser.add_argument('--devices', type=int, metavar='N',
                        help='start N processes on this machine, each with a GPU where there are any; dist_*.sh do the '
                             'same on several machines')
    parser.add_argument('--no-pin-memory', action='store_true', help='do not pin the memory of loaded batches')
    parser.add_argument('--no-persistent-workers', action='store_true',
                        help='start the data loading workers anew in every epoch')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help='set by old launchers; new ones use the environment variable LOCAL_RANK')


def merge_options(cfg: Config, options: dict[str, Any]) -> None:
    """Merge options into a config.

    Args:
        cfg (Config): Changed in place.
        options (dict): Values by full key.

    Raises:
        UserError: MMEngine cannot merge them.
    """
    try:
        cfg.merge_from_dict(options)
    except Exception as error:  # MMEngine raises many types here, all of which mean the same.
        raise UserError(f'--cfg-options {" ".join(f"{key}={value}" for key, value in options.items())} does not fit '
                        f'into the config: {error}') from error


def added_keys(cfg: Config, options: dict[str, Any]) -> list[str]:
    """Messages for the log on options for keys that a config does not have.

    Args:
        cfg (Config): Before the options are merged.
        options (dict): Values by full key.
    """
    return [f'--cfg-options {key}: the config had no such key; it was added. Check the spelling if it was meant to '
            'replace one.' for key in options if top(key) not in SWITCHES and value_at(cfg, key) is MISSING]


def changed(value: Any, place: str, options: dict[str, Any]) -> Any:
    """A copy of what stands in a place of a config, with options for it and its parts merged as MMEngine merges."""
    cfg = Config({'value': deepcopy(value)})
    cfg.merge_from_dict({f'value{key.removeprefix(place)}': deepcopy(option) for key, option in options.items()})
    return cfg['value']


def options_of(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Which options are for one variable or section, or for a part of it."""
    return {key: value for key, value in options.items() if top(key) == name}


def top(key: str) -> str:
    """The variable or section of a full key."""
    return key.split('.')[0]


def value_at(node: Any, key: str) -> Any:
    """What a config has under a full key such as ``steps.0.scale``; ``MISSING`` if there is nothing."""
    for name in key.split('.'):
        if isinstance(node, (list, tuple)):
            node = node[int(name)] if name.isdigit() and int(name) < len(node) else MISSING
        else:
            node = node[name] if isinstance(node, (dict, Config)) and name in node else MISSING
    return node


def check_seed(seed: int) -> None:
    """UserError unless the argument ``--seed`` can be a seed of NumPy's generators."""
    if not 0 <= seed < 2**32:
        raise UserError(f'--seed must lie between 0 and 2**32 - 1, got {seed}.')
