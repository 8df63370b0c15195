"""Errors that the tools show to the user as a plain message."""


class UserError(ValueError):
    """A mistake in the command, the config or the data folder.

    The message says what is wrong, where, and what to do about it. The tools print it without a traceback.
    """
