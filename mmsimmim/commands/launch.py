"""Start a command in several processes as torchrun does, pass signals on to them, and exit with their status.

Arguments are those of python -m torch.distributed.run, such as --nproc_per_node=8 -m mmsimmim train CONFIG --launcher
pytorch. torchrun itself kills all processes 30 seconds after SIGTERM, dies of SIGUSR1, and always exits with status 1.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from functools import wraps
from types import FrameType

from ..interruption import ENDED_BY_USER, RESUMABLE, SAME_EVENT, SAVING, handled_signals
from .common.mistakes import report_mistakes

# Seconds that processes have after a second signal, which they may be unable to notice.
PATIENCE = 10
PASSED_ON = (*SAVING, signal.SIGINT)


@report_mistakes
def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ('-h', '--help'):
        argparse.ArgumentParser(description=__doc__, usage='%(prog)s [-h] [arguments of torchrun]').print_help()
        return
    with handled_signals():
        launch(arguments)


def launch(arguments: list[str]) -> None:
    """Start the processes and wait for them.

    Args:
        arguments (list[str]): As of torchrun.
    """
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing import SignalException, api
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    courier = Courier()
    courier.enter(api)
    try:
        run.main(arguments)
    except ChildFailedError as error:
        status = courier.status([failure.exitcode for failure in error.failures.values()])
        if status is None:
            raise
        sys.exit(status)
    except SignalException as error:
        sys.exit(128 + error.sigval)


class Courier:
    """Gives the signals that torchrun gets to the processes it has started."""

    def __init__(self) -> None:
        self.ignored = {number for number in PASSED_ON if signal.getsignal(number) is signal.SIG_IGN}
        self.first: float | None = None
        self._context = None
        self._end = None

    def enter(self, api) -> None:
        """Take the place of torchrun's own handler.

        Args:
            api (ModuleType): ``torch.distributed.elastic.multiprocessing.api``.
        """
        start, self._end = api.PContext.start, api._terminate_process_handler

        @wraps(start)
        def started(context) -> None:
            self._context = context
            start(context)
            for number in set(PASSED_ON) - self.ignored:  # without those that this torchrun does not know
                signal.signal(number, self.pass_on)

        api.PContext.start = started
        api._terminate_process_handler = self.pass_on
        api.logger.addFilter(self._is_news)

    def pass_on(self, number: int, frame: FrameType | None) -> None:
        """The handler of signals."""
        if number in self.ignored:
            return
        pids = self._pids()
        if not pids:
            self._end(number, frame)
        for pid in pids:
            _kill(pid, number)
        if self.first is None:
            self.first = time.monotonic()
        elif time.monotonic() - self.first > SAME_EVENT:
            timer = threading.Timer(PATIENCE, lambda: [_kill(pid, signal.SIGKILL) for pid in self._pids()])
            timer.daemon = True
            timer.start()

    def status(self, codes: list[int]) -> int | None:
        """The status to exit with; None where torchrun's report is due.

        Args:
            codes (list[int]): Of the processes that failed, the first one first; -n where signal n ended one.
        """
        # The others are ended when the first one has.
        own = [code for code in codes if code not in (-signal.SIGTERM, -signal.SIGKILL)] or codes
        if own[0] in (RESUMABLE, ENDED_BY_USER) and len(set(own)) == 1:
            return own[0]
        return 128 - own[0] if self.first is not None and own[0] < 0 else None

    def _pids(self) -> list[int]:
        """Of the processes that live; a signal that comes before there are any ends torchrun."""
        handlers = getattr(self._context, 'subprocess_handlers', None) or {}
        return [handler.proc.pid for handler in handlers.values() if handler.proc.poll() is None]

    def _is_news(self, record: logging.LogRecord) -> bool:
        """Whether a line of torchrun is about something else than the end that a signal asked for."""
        ended = bool(record.args) and isinstance(record.args, tuple) and record.args[0] in (RESUMABLE, ENDED_BY_USER)
        return not (ended or self.first is not None and 'closing signal' in record.msg)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
