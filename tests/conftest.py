"""What every test begins with, and what tests of several packages share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope='module')
def no_default_scope():
    """A runner or config that was built in another module leaves its framework's scope behind."""
    from mmengine.registry import DefaultScope
    DefaultScope._instance_dict.clear()


@pytest.fixture
def left_connections(monkeypatch):
    """What a launcher sets, for a run of one process. A function that returns the threads of gloo it has left."""
    import torch.distributed
    tasks = Path('/proc/self/task')
    if not tasks.is_dir():
        pytest.skip('threads have no names here')
    for name, value in dict(RANK=0, WORLD_SIZE=1, LOCAL_RANK=0, MASTER_ADDR='127.0.0.1', MASTER_PORT=0).items():
        monkeypatch.setenv(name, str(value))
    made, connect = [], torch.distributed.init_process_group
    before = {task.name for task in tasks.iterdir()}

    def spy(*args, **kwargs):
        made.append(args)
        connect(*args, **kwargs)

    def left():
        assert made, 'no connection was made'
        return [name_of(task) for task in tasks.iterdir() if task.name not in before and 'gloo' in name_of(task)]

    monkeypatch.setattr(torch.distributed, 'init_process_group', spy)
    yield left
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def name_of(task):
    """The name of a thread, which may end meanwhile."""
    try:
        return (task / 'comm').read_text()
    except OSError:
        return ''
