"""What every test begins with, and what tests of several packages share."""

import signal
import time
from pathlib import Path

import pytest

# One entry for each thread of the process; Linux has it.
TASKS = Path('/proc/self/task')


@pytest.fixture(autouse=True, scope='module')
def no_default_scope():
    """A runner or config that was built in another module leaves its framework's scope behind."""
    from mmengine.registry import DefaultScope
    DefaultScope._instance_dict.clear()


def pytest_configure():
    """Where the tests run in the background, a shell has them ignore what some of them send to themselves."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, 'SIGHUP'):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def free_signals():
    """A runner that was built here, and not by one of our commands, keeps the signals until the process ends."""
    from mmsimmim.interruption import release_signals
    yield
    release_signals()


@pytest.fixture
def left_connections(monkeypatch):
    """What a launcher sets, for a run of one process. A function that returns the threads its connection has left."""
    import torch.distributed
    if not TASKS.is_dir():
        pytest.skip('threads cannot be listed here')
    for name, value in dict(RANK=0, WORLD_SIZE=1, LOCAL_RANK=0, MASTER_ADDR='127.0.0.1', MASTER_PORT=0).items():
        monkeypatch.setenv(name, str(value))
    made, connect = set(), torch.distributed.init_process_group

    def spy(*args, **kwargs):
        before = threads()
        connect(*args, **kwargs)
        made.update(threads() - before)

    def left(seconds=1):
        assert made, 'no connection was made'
        end = time.monotonic() + seconds
        while made & threads() and time.monotonic() < end:
            time.sleep(0.01)
        return made & threads()

    monkeypatch.setattr(torch.distributed, 'init_process_group', spy)
    yield left
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def threads():
    return {task.name for task in TASKS.iterdir()}
