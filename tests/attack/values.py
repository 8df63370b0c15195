"""Bad values for settings of shipped configs, given to the real commands up to two steps and a validation.

``main`` of the command runs in a fork of this process, which has imported everything.
"""

import contextlib
import os
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

from mmengine.config import Config
from mmengine.runner import FlexibleRunner, Runner

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.commands import check_dataset, get_flops, test, train
from mmsimmim.commands.config.option_values import parse_value

from .apart import run_apart
from .bad_values import Option, draw
from .outcomes import Attempt, Outcome
from .tiny_configs import FAMILIES, write_config

STEPS = 4
SECONDS = 40
MEMORY = 12 * 2**30  # bytes of addresses
# With --cfg-options, in a part of the tries.
COMMANDS = dict(train=train.main, test=test.main, get_flops=get_flops.main, check_dataset=check_dataset.main)


def attack(seed: int, tries: int, folder: Path) -> Iterator[Attempt]:
    """Yield an attempt for each of some random options.

    Args:
        seed (int): Other options.
        tries (int): How many.
        folder (Path): For configs, data and work folders.
    """
    prepare()
    generator = random.Random(f'values {seed}')
    families = sorted(FAMILIES)
    for number in range(tries):
        family = families[number % len(families)]
        config = write_config(family, folder)
        settings = Config.fromfile(config).to_dict()
        option = draw(generator, settings)
        command = generator.choices(tuple(COMMANDS), (8, 1, 0.5, 0.5))[0]
        outcome, detail = run_option(command, config, option, folder, f'{seed}-{number}')
        yield Attempt(f'options of {family}', f'{seed}: {command} {option.key}={option.text[:80]!r}', outcome, detail)


def run_option(command: str, config: Path, option: Option | None, folder: Path, name: str) -> tuple[Outcome, str]:
    """What a command says to one option; None is a run of the config as it is."""
    if command == 'test' and not (checkpoint := config.with_suffix('.trained.pth')).exists():
        outcome, detail = run_option('train', config, None, folder, checkpoint.stem)
        assert outcome is Outcome.FINE, detail
        next((folder / checkpoint.stem).glob('work/*_*.pth')).rename(checkpoint)
    return run_apart(partial(_run, command, config, option, folder / name), SECONDS, folder)


def prepare() -> None:
    """Import what a training imports, once."""
    import mmdet.utils
    import mmpretrain.utils
    import mmseg.utils
    import torch.utils.tensorboard
    torch.set_num_threads(1)
    for framework in (mmpretrain, mmdet, mmseg):
        framework.utils.register_all_modules(init_default_scope=False)


class Stepped(BaseException):
    """There were steps enough."""


def _run(command: str, config: Path, option: Option | None, folder: Path) -> None:
    folder.mkdir()
    os.chdir(folder)
    tempfile.tempdir = str(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    checkpoint = [str(config.with_suffix('.trained.pth'))] if command == 'test' else []
    options = ['--cfg-options', f'{option.key}={option.text}'] if option else []
    arguments = [f'{command}.py', str(config), *checkpoint, *options]
    with mock.patch.object(sys, 'argv', arguments), _quick(), contextlib.suppress(Stepped):
        COMMANDS[command]()
    if option:
        _judge(option, sys.stdout.getvalue() + sys.stderr.getvalue(), command)


@contextlib.contextmanager
def _quick() -> Iterator[None]:
    """Stop after some steps, or one validation, and leave out what takes long and says nothing about options."""
    steps = 0

    def counting(call_hook: Callable) -> Callable:
        def counted(runner: Runner | FlexibleRunner, fn_name: str, **kwargs) -> None:
            nonlocal steps
            call_hook(runner, fn_name, **kwargs)
            steps += fn_name == 'after_train_iter'
            if steps >= STEPS or fn_name == 'after_val_epoch':
                raise Stepped

        return counted

    # No compiler and no git is asked for its version, which would be another program.
    with mock.patch.object(Runner, 'call_hook', counting(Runner.call_hook)), \
            mock.patch.object(FlexibleRunner, 'call_hook', counting(FlexibleRunner.call_hook)), \
            mock.patch('mmengine.runner.runner.collect_env', dict), \
            mock.patch('mmengine._strategy.base.collect_env', dict), \
            mock.patch('mmengine.utils.version_utils._minimal_ext_cmd', side_effect=OSError), \
            mock.patch.object(Config, 'pretty_text', property(lambda self: repr(self.to_dict()))):
        yield


def _judge(option: Option, output: str, command: str) -> None:
    """AssertionError if a command took an option that means nothing, without a word."""
    if option.way == 'misspelt':
        assert 'had no such key' in output, 'a misspelt key was accepted without a word'
    value, before = parse_value(option.text), option.before
    if option.way == 'value' and command == 'train' and not option.key.startswith(('test_', 'tta_')):
        kind = 'a switch' if isinstance(before, bool) else 'a number' if isinstance(before, (int, float)) else ''
        fits = isinstance(value, (bool, type(None))) if kind == 'a switch' else not isinstance(value, (str, bool))
        assert not kind or fits, f'{value!r} was taken for {kind}, {before!r}'
        assert 'nan' not in option.text.lower().split(','), 'NaN was taken'
