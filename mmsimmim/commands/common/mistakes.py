"""A mistake of the user, or Ctrl-C, ends a command with a message in place of a traceback."""

import logging
import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps

from ...errors import UserError, shown_lines
from ...interruption import ENDED_BY_USER, Interrupted, is_first_process
from .escaped_output import escaped_output
from .refusals import refusal


def report_mistakes(main: Callable) -> Callable:
    """Let a tool end on a :class:`UserError` with its message and exit code 1, on Ctrl-C with 130, without a traceback.

    So do errors with which code refuses a value of a config that it is built from (:mod:`.refusals`). All others may be
    faults of the program, and are shown whole, except for those of a disk that is full or read-only; if one came out
    of a part of the config in a step, a last line names that part (:mod:`.failing_part`). What the tool prints and logs
    has no control characters (:mod:`.escaped_output`).

    Args:
        main (Callable): The tool.

    Returns:
        Callable: The same, wrapped.
    """

    @wraps(main)
    def wrapped(*args, **kwargs):
        with escaped_output():
            try:
                return main(*args, **kwargs)
            except KeyboardInterrupt:
                if is_first_process():
                    print('\nInterrupted: ended by SIGINT (Ctrl-C).', file=sys.stderr)
                _leave(ENDED_BY_USER)
            except Interrupted as end:
                _leave(end.code)
            except Exception as error:
                sentence = sentence_of(error)
                if sentence is None:
                    sentence = _of_a_part(error)
                    if sentence is None:
                        raise
                    traceback.print_exc()
                sys.exit(f'error: {shown_lines(sentence)}')

    return wrapped


def sentence_of(error: Exception) -> str | None:
    """What the user is told of an error; None if it is a fault of the program.

    Args:
        error (Exception): As it was caught.

    Returns:
        str | None: The message.
    """
    if isinstance(error, UserError):
        # The message of an error in a data loading worker follows the worker's traceback.
        return str(error).rsplit('UserError: ', 1)[-1].strip()
    return refusal(error) or _of_the_disk(error)


def _of_a_part(error: Exception) -> str | None:
    if 'torch' not in sys.modules:  # without it there was no step, and importing it takes seconds
        return None
    from .failing_part import failing_part
    return failing_part(error)


def _leave(code: int) -> None:
    """End, and where processes are connected do so without taking the connection down: others may be gone."""
    torch = sys.modules.get('torch')
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _of_the_disk(error: Exception) -> str | None:
    if not isinstance(error, OSError):
        return None
    from ...checkpoints.storage import why_not_written
    return why_not_written(error)
