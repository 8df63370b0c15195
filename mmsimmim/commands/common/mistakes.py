"""A mistake of the user ends a command with a message in place of a traceback."""

import sys
from collections.abc import Callable
from functools import wraps

from ...errors import UserError, shown_lines


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
            # The message of an error in a data loading worker follows the worker's traceback.
            sys.exit(f'error: {shown_lines(str(error).rsplit("UserError: ", 1)[-1].strip())}')

    return wrapped
