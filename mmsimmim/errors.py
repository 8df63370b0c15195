"""Errors that the tools show to the user as a plain message."""

import os


class UserError(ValueError):
    """A mistake in the command, the config or the data folder.

    The message says what is wrong, where, and what to do about it. The tools print it without a traceback.
    """


def shown(text: object) -> str:
    """A name from a disk or an archive, as it may go into logs and onto terminals.

    Control characters, which move the cursor, begin new lines or change what was printed, and bytes that are not UTF-8
    stand as escapes: ``\\n``, ``\\x1b``, ``\\xff``, ``\\u202e``. All other text is as it was.
    """
    return ''.join(char if char.isprintable() else _escaped(char) for char in str(text))


def shown_lines(text: object) -> str:
    """The same for a message of several lines, which stay lines, with their tabulators."""
    return '\n'.join('\t'.join(map(shown, line.split('\t'))) for line in str(text).split('\n'))


def _escaped(char: str) -> str:
    if '\udc80' <= char <= '\udcff':  # how Python writes a byte that is not UTF-8
        return f'\\x{ord(char) - 0xdc00:02x}'
    return char.encode('unicode_escape').decode()


def why_missing(path: str) -> str:
    """Why there is no file, or no folder, of a name: the end of the sentence that begins with the path."""
    if os.path.isdir(path):
        return 'is a folder, not a file'
    if os.path.exists(path):
        return 'is a file, not a folder'
    return f'does not exist (working folder: {os.getcwd()})'
