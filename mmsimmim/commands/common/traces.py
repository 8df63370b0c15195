"""A command that refuses leaves no file and no folder that was not there before."""

import os
import os.path as osp
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.utils import ManagerMixin

from .mistakes import sentence_of

# How MMEngine names the folder of a run, and the copy of a config without a name.
TIMESTAMP = re.compile(r'\d{8}_\d{6}(\.py)?')


class BegunHook(Hook):
    """Notes that the first batch came: from then on there is work to keep."""

    def __init__(self) -> None:
        self.begun = False

    def _before_iter(self, runner, batch_idx: int, data_batch=None, mode: str = 'train') -> None:
        self.begun = True


@contextmanager
def leaving_nothing(folders: Sequence[str], config: str | None, first: bool = True) -> Iterator[BegunHook]:
    """Remove what a runner writes before its first batch if the command then ends with a message to the user.

    That are its log, the copies of the config, and folders that are empty without them. A copy of the config that an
    earlier run has left is put back. What is a fault of the program keeps its log.

    Args:
        folders (Sequence[str]): Those that the runner writes into. Addresses (with '://') are left alone.
        config (str, optional): The config file, of which the runner makes a copy of the same name.
        first (bool): Whether this is the first process of a run, which alone removes. Defaults to True.

    Yields:
        BegunHook: To be registered with the runner.
    """
    hook = BegunHook()
    traces = [Traces(folder, osp.basename(config or '')) for folder in folders if first and '://' not in folder]
    known = {kind: set(kind._instance_dict) for kind in _managed()}
    try:
        yield hook
    except Exception as error:
        if not hook.begun and sentence_of(error) is not None:
            for trace in traces:
                trace.remove()
            _forget(known)
        raise


def _managed(kind: type = ManagerMixin) -> Iterator[type]:
    """The classes whose instances MMEngine keeps by the name of a run: loggers, visualizers."""
    for one in kind.__subclasses__():
        yield one
        yield from _managed(one)


def _forget(known: dict[type, set[str]]) -> None:
    """Another run of this process in the same second would get those that write into the removed folders."""
    for kind in _managed():
        for name in kind._instance_dict.keys() - known.get(kind, set()):
            if TIMESTAMP.search(name):
                del kind._instance_dict[name]


class Traces:
    """What a runner leaves in a folder before its first batch.

    Args:
        folder (str): The folder, which need not exist.
        copy (str): Name of the copy of the config in it.
    """

    def __init__(self, folder: str, copy: str) -> None:
        self.folder, self.copy = Path(folder), copy
        self.made = missing_folders(folder)
        self.before = _names(self.folder)
        self.content = None
        with suppress(OSError):
            self.content = (self.folder / copy).read_bytes() if copy in self.before else None

    def remove(self) -> None:
        """Leave the folder as it was; what cannot be removed stays."""
        for name in _names(self.folder) - self.before:
            with suppress(OSError):
                if name == self.copy or TIMESTAMP.fullmatch(name) and name.endswith('.py'):
                    (self.folder / name).unlink()
                elif TIMESTAMP.fullmatch(name):
                    shutil.rmtree(self.folder / name)
        with suppress(OSError):
            if self.content is not None and (self.folder / self.copy).read_bytes() != self.content:
                (self.folder / self.copy).write_bytes(self.content)
        remove_empty(self.made)


def missing_folders(path: str) -> list[str]:
    """A folder and those above it, as far as they do not exist, innermost first."""
    path, missing = osp.abspath(path), []
    while not osp.lexists(path):
        missing.append(path)
        path = osp.dirname(path)
    return missing


def remove_empty(folders: Sequence[str]) -> None:
    """Remove folders, innermost first, up to the first that has something in it."""
    with suppress(OSError):
        for folder in folders:
            os.rmdir(folder)


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
