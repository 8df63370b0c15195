"""What a command prints and logs has no control characters, wherever a name with some came from.

Names that are no text are escaped where they are put into a sentence, which alone tells their newlines from those of
the sentence. This is what holds for all the others, those that dependencies print among them.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from ...errors import shown_lines

# Who may colour what it writes: lines of a log, whose messages are escaped already, and the help of a command.
COLOURING = ('logging', 'argparse')


class EscapedStream:
    """A stream that writes control characters, and bytes that are not UTF-8, as escapes.

    Newlines, tabulators and the return to the beginning of a line of progress stay.

    Args:
        stream (TextIO): Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text; its length."""
        caller = sys._getframe(0).f_back  # none where the interpreter itself prints a traceback
        if caller is not None and caller.f_globals.get('__name__') in COLOURING:
            self.stream.write(text)
        else:
            rest = text.lstrip('\r')
            self.stream.write(text[:len(text) - len(rest)] + shown_lines(rest.replace('\r\n', '\n')))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class EscapedRecord(logging.LogRecord):
    """A record of a log whose message has no control characters."""

    def getMessage(self) -> str:  # noqa: N802  logging's name
        """The message."""
        return shown_lines(super().getMessage())


@contextmanager
def escaped_output() -> Iterator[None]:
    """Escape what this process, and those that it forks, print and log from now on.

    After an error that is a fault of the program it stays so, for the traceback that follows.
    """
    streams, factory = (sys.stdout, sys.stderr), logging.getLogRecordFactory()
    sys.stdout, sys.stderr = (stream if stream is None or isinstance(stream, EscapedStream) else EscapedStream(stream)
                              for stream in streams)
    logging.setLogRecordFactory(EscapedRecord)
    faulty = False
    try:
        yield
    except Exception:
        faulty = True
        raise
    finally:
        logging.setLogRecordFactory(factory)
        if not faulty:
            sys.stdout, sys.stderr = streams
