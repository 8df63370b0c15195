"""Errors that the tools show to the user as a plain message."""

import os


class UserError(ValueError):
    """A mistake in the command, the config or the data folder.

    The message says what is wrong, where, and what to do about it. The tools print it without a traceback.
    """


def why_missing(path: str) -> str:
    """Why there is no file, or no folder, of a name: the end of the sentence that begins with the path."""
    if os.path.isdir(path):
        return 'is a folder, not a file'
    if os.path.exists(path):
        return 'is a file, not a folder'
    return f'does not exist (working folder: {os.getcwd()})'
