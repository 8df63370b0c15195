"""Options that commands share, and how ``--cfg-options`` change a config."""

import argparse

from mmengine.config import Config

from ...errors import UserError
from .option_values import parse_value

# The keys of mmsimmim.datasets.MASK_STRATEGIES, whose values need PyTorch.
MASK_NAMES = ('random', 'square', 'central-square', 'block-wise')


class OptionsAction(argparse.Action):
    """Reads ``key=value`` as MMEngine's action does, but blanks in values stay, and mistakes end in a message."""

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


def merge_options(cfg: Config, options: dict) -> list[str]:
    from .config_variables import SETTINGS, carry_into_copies, carry_over, used_variables

    # Settings of a run that a config need not have for them to count.
    switches = SETTINGS | {'find_unused_parameters'}
    unknown = [key for key in options if key.split('.')[0] not in switches and not has_key(cfg, key)]
    variables = used_variables(cfg, options)
    try:
        carried = carry_into_copies(cfg, options)
        cfg.merge_from_dict(options)
    except Exception as error:  # MMEngine raises many types here, all of which mean the same.
        raise UserError(f'--cfg-options {" ".join(f"{key}={value}" for key, value in options.items())} does not fit '
                        f'into the config: {error}') from error
    return [f'--cfg-options {key}: the config had no such key; it was added. Check the spelling if it was meant to '
            'replace one.' for key in unknown] + carried + carry_over(cfg, options, variables)


def has_key(cfg: Config, key: str) -> bool:
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
