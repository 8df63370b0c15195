"""A mistake of the user ends a command with a message in place of a traceback."""

import sys
from collections.abc import Callable
from functools import wraps

from ...errors import UserError, shown_lines
from .escaped_output import escaped_output
from .refusals import refusal


def report_mistakes(main: Callable) -> Callable:
    """Let a tool end on a :class:`UserError` with its message and exit code 1, instead of a traceback.

    So do errors with which code refuses a value of a config that it is built from (:mod:`.refusals`). All others are
    faults of the program, and are shown whole, except for those of a disk that is full or read-only. What the tool
    prints and logs has no control characters (:mod:`.escaped_output`).

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
            except Exception as error:
                sentence = sentence_of(error)
                if sentence is None:
                    raise
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


def _of_the_disk(error: Exception) -> str | None:
    if not isinstance(error, OSError):
        return None
    from ...checkpoints.storage import why_not_written
    return why_not_written(error)
