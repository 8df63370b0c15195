"""A command in several processes, through our launcher, which is torchrun with an ear for signals."""

import os
import sys
from collections.abc import Sequence

from ...errors import UserError
from ...shipped import PACKAGE


def command_line(name: str, arguments: Sequence[str], devices: int) -> list[str]:
    """How to run a command of ours.

    Args:
        name (str): The command, such as 'train'.
        arguments (Sequence[str]): Its arguments.
        devices (int): Processes; more than one are started by ``launch``, on a free port.

    Returns:
        list[str]: For :func:`os.execve` and :mod:`subprocess`, with :func:`environment`.
    """
    command = ['-m', 'mmsimmim', name, *arguments]
    if devices > 1:
        command = ['-m', 'mmsimmim', 'launch', '--standalone', f'--nproc_per_node={devices}', *command,
                   '--launcher', 'pytorch']
    return [sys.executable, *command]


def environment() -> dict[str, str]:
    """That of this process, in which the package is found wherever it was imported from."""
    search = [str(PACKAGE.parent), *filter(None, [os.environ.get('PYTHONPATH')])]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(search)}


def spread(name: str, devices: int | None, launcher: str) -> None:
    """Put processes on several devices in the place of this one, if that was asked for.

    Args:
        name (str): The command that runs.
        devices (int | None): Processes; None for this one, or those that a launcher started.
        launcher (str): What started this process.

    Raises:
        UserError: Fewer than one, or a launcher has started processes already.
    """
    if devices is None:
        return
    if devices < 1:
        raise UserError(f'--devices must be at least 1, got {devices}.')
    if launcher != 'none':
        raise UserError(f'--devices {devices} starts processes, and --launcher {launcher} has started some already: '
                        'leave one of them out.')
    if devices > 1:
        line = command_line(name, _without_devices(sys.argv[1:]), devices)
        os.execve(line[0], line, environment())


def _without_devices(arguments: Sequence[str]) -> list[str]:
    kept = []
    following = iter(arguments)
    for argument in following:
        if argument == '--devices':
            next(following, None)
        elif not argument.startswith('--devices='):
            kept.append(argument)
    return kept
