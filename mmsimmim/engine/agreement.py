"""Processes agree on the step after which they stop, though a signal may reach one of them alone."""

import uuid

import torch.distributed
from mmengine.dist import broadcast_object_list, get_rank, get_world_size

# Decisions that are kept; those of earlier steps have been read by every process, as each step needs all of them.
KEPT = 256
STOP = b'stop'


class StopAgreement:
    """One answer to each question, the same in all processes, without a communication between devices.

    The store through which PyTorch has connected the processes holds, for each question, what the first process that
    came to it said: go on, or stop. A process that wants to stop says so for the first one to which no process has come
    yet. Nobody waits for anybody, and a question takes one small message. A single process asks itself.

    All processes must make it at the same time.
    """

    def __init__(self) -> None:
        self._store = None
        self._asked = 0
        self._stop: int | None = None
        if get_world_size() > 1:
            name = [uuid.uuid4().hex]  # of this training alone: the store may outlive it
            broadcast_object_list(name)
            store = torch.distributed.distributed_c10d._get_default_store()
            self._store = torch.distributed.PrefixStore(f'mmsimmim/stop/{name[0]}', store)

    def stops_here(self, wanted: bool) -> bool:
        """Whether all processes stop here, which all of them ask at the same places.

        Args:
            wanted (bool): Whether this process is to stop as soon as all can.
        """
        if self._store is None:
            return wanted
        self._asked += 1
        if self._stop is None and wanted:
            self._stop = self._asked
            while not self._decide(str(self._stop), True):
                self._stop += 1
        elif self._stop is None and self._decide(str(self._asked), False):
            self._stop = self._asked
        if get_rank() == 0 and self._asked > KEPT:
            self._store.delete_key(str(self._asked - KEPT))
        return self._asked == self._stop

    def stops_within(self, name: str, wanted: bool, last: bool) -> bool:
        """Whether all processes stop in something in which they need not have come equally far.

        Args:
            name (str): Of all of it.
            wanted (bool): Whether this process is to stop.
            last (bool): Whether this process asks for the last time: if nobody wanted to stop by then, nobody does.
        """
        if self._store is None:
            return wanted
        if wanted or last:
            return self._decide(name, wanted)
        return self._store.check([name]) and self._store.get(name) == STOP

    def _decide(self, key: str, stop: bool) -> bool:
        return self._store.compare_set(key, '', STOP.decode() if stop else 'go on') == STOP
