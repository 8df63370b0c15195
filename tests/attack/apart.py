"""Running an attempt in a process of its own, which may crash, hang, or do what it must not."""

import contextlib
import io
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from mmsimmim.errors import UserError

from .outcomes import Outcome

# Events of the interpreter that reading a file or a config has no business with.
FORBIDDEN = ('os.system', 'os.exec', 'os.posix_spawn', 'os.spawn', 'subprocess.Popen', 'socket.connect', 'pty.spawn')
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def run_apart(function: Callable[[], None], seconds: float = 20, folder: Path | None = None,
              memory: int | None = None) -> tuple[Outcome, str]:
    """Call a function in a forked process.

    Args:
        function (Callable): Returns if the result was the right one, and raises ``AssertionError`` if it was another.
        seconds (float): After this long it hangs.
        folder (Path | None): Files outside it must not be removed, renamed or opened for writing; None allows that.
        memory (int | None): Bytes of address space that it may take beyond what the process has; None for any number.

    Returns:
        tuple[Outcome, str]: ``FINE``; ``CLEAR`` with the sentence of a :class:`UserError`, or of the ``SystemExit``
        that a command ends with; or the fault, with what is known of it.
    """
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(function, sender, folder, memory))  # which may have children
    process.start()
    sender.close()
    answer = None
    if receiver.poll(seconds):
        with contextlib.suppress(EOFError):
            answer = receiver.recv()
        process.join(seconds)
    hangs = process.is_alive()
    if hangs:
        process.kill()
        process.join()
    if answer is None:
        return (Outcome.HANG, f'{seconds:g} s') if hangs else (Outcome.CRASH, _ending(process.exitcode))
    return answer


def _child(function: Callable[[], None], sender, folder: Path | None, memory: int | None) -> None:
    forbidden = []
    if memory is not None:
        limit = memory + int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def note(event: str, args: tuple) -> None:
        if _is_forbidden(event, args, folder):
            forbidden.append((event, args))

    _forget_earlier_runs()
    sys.addaudithook(note)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        answer = _answer(function)
    if forbidden:
        event, args = forbidden[0]
        kind = Outcome.CODE if event in FORBIDDEN else Outcome.LOST
        answer = kind, f'{event}{args!r}'[:300]
    sender.send(answer)
    sender.close()
    os._exit(0)


def _forget_earlier_runs() -> None:
    """Drop the visualizers of runs before the fork, which MMEngine gives to later ones of their name."""
    visualization = sys.modules.get('mmengine.visualization')
    kinds = [visualization.Visualizer] if visualization else []
    while kinds:
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()


def _answer(function: Callable[[], None]) -> tuple[Outcome, str]:
    try:
        function()
    except UserError as error:
        return Outcome.CLEAR, str(error)
    except SystemExit as error:
        return (Outcome.CLEAR, error.code) if isinstance(error.code, str) else (Outcome.FINE, f'exit {error.code}')
    except AssertionError as error:
        return Outcome.WRONG, str(error)[-500:]
    except BaseException:
        return Outcome.CRASH, traceback.format_exc()[-1500:]
    return Outcome.FINE, ''


def _is_forbidden(event: str, args: tuple, folder: Path | None) -> bool:
    if event in FORBIDDEN:
        return True
    if folder is None or event not in ('os.remove', 'os.rename', 'os.rmdir', 'shutil.rmtree', 'open'):
        return False
    if event == 'open' and (not isinstance(args[0], (str, bytes)) or not (args[2] or 0) & WRITES
                            or os.fsdecode(args[0]) == os.devnull):
        return False
    if event != 'os.rename' and isinstance(args[1], int) and args[1] >= 0:  # inside of a folder told of before
        return False
    return not Path(os.fsdecode(args[0])).resolve().is_relative_to(folder.resolve())


def _ending(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f'the process ended with status {exitcode} and no answer'
