"""Reading a damaged database in a process of its own, as it can end the process that reads it.

LMDB trusts its pages: where a size in one of them is wrong it reads beyond the file, and the system sends a signal.
"""

import faulthandler
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from ...errors import UserError
from .check import find_faults
from .file import PackedFile


def require_readable(path: str) -> None:
    """Stop where a file of packed images is not whole, or its lists cannot be read.

    Args:
        path (str): The file.

    Raises:
        UserError: See :class:`PackedFile`; or reading it ends a process.
    """
    _run_apart(path, _read_lists, path, lambda *what: None)


def check_apart(path: str, workers: int, tell: Callable[[int, int], None], report: Callable[[str], None]) -> int:
    """:func:`find_faults` in a process of its own.

    Args:
        path (str): A finished file.
        workers (int): Threads.
        tell (Callable): Called now and then with the number of records verified, and of all.
        report (Callable): Called with the line about each record with which something is wrong.

    Returns:
        int: Records.

    Raises:
        UserError: See :class:`PackedFile`; or reading it ends a process.
    """
    count = 0

    def take(kind: str, content: Any) -> None:
        nonlocal count
        if kind == 'count':
            count = content
        elif kind == 'fault':
            report(content)
        else:
            tell(*content)

    _run_apart(path, _check, path, workers, take)
    return count


def _read_lists(send: Callable[[str, Any], None], path: str) -> None:
    packed = PackedFile(path)
    packed.paths(), packed.checksums(), packed.unreadable()


def _check(send: Callable[[str, Any], None], path: str, workers: int) -> None:
    send('count', PackedFile(path).manifest['count'])
    for fault in find_faults(path, workers, lambda *progress: send('progress', progress)):
        send('fault', fault)


def _run_apart(path: str, function: Callable, *args: Any) -> None:
    """Run ``function(send, *args[:-1])`` in a process, and hand what it sends to the last argument."""
    *args, take = args
    if 'fork' not in multiprocessing.get_all_start_methods():
        function(take, *args)
        return
    context = multiprocessing.get_context('fork')  # which imports nothing again
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, args), daemon=True)
    process.start()
    sender.close()
    error = None
    try:
        while True:
            kind, content = receiver.recv()
            if kind == 'error':
                error = content
            else:
                take(kind, content)
    except EOFError:
        process.join()
    finally:
        process.kill()
    if error is not None:
        raise error
    if process.exitcode:
        raise UserError(f'{path} is damaged: reading it ended a process with {_name(process.exitcode)}. Copy the file '
                        'again, or pack anew.')


def _run(sender: Connection, function: Callable, args: list) -> None:
    faulthandler.disable()  # the one who waits says what happened
    try:
        function(lambda kind, content: sender.send((kind, content)), *args)
    except Exception as error:
        sender.send(('error', error))


def _name(exitcode: int) -> str:
    return signal.Signals(-exitcode).name if exitcode < 0 else f'exit code {exitcode}'
