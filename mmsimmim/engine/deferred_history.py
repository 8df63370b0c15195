"""Logged numbers that are fetched from the device when they are read, not when they are logged."""

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import Tensor

# Numbers not yet read; each takes half a kilobyte of GPU memory.
MAX_PENDING = 1000


class DeferredHistory(HistoryBuffer):
    """MMEngine's history of one number, without cost in a training step.

    MMEngine's own synchronises with the device for every number, and copies earlier ones: after half a million steps
    megabytes for each name, in every step. Here both happen only on reading. A copy, such as the one in a
    checkpoint, is MMEngine's.

    Args:
        history (HistoryBuffer): What was noted before.
    """

    def __init__(self, history: HistoryBuffer) -> None:
        self._pending: list[tuple[Tensor | float, float]] = []
        super().__init__(*history.data, max_length=history.max_length)

    def update(self, log_val: float | Tensor, count: int = 1) -> None:
        """Note a number.

        Args:
            log_val (float | Tensor): The number; a tensor of one element on any device, which may change afterwards.
            count (int): How many it sums up. Defaults to 1.
        """
        if isinstance(log_val, Tensor):
            log_val = log_val.detach().reshape(()).clone()
        self._pending.append((log_val, count))
        if len(self._pending) == MAX_PENDING:
            self._settle()

    # MMEngine's methods read and set these two.
    @property
    def _log_history(self) -> np.ndarray:
        self._settle()
        return self._values

    @_log_history.setter
    def _log_history(self, values: np.ndarray) -> None:
        self._values = values

    @property
    def _count_history(self) -> np.ndarray:
        self._settle()
        return self._counts

    @_count_history.setter
    def _count_history(self, counts: np.ndarray) -> None:
        self._counts = counts

    def _settle(self) -> None:
        if not self._pending:
            return
        values, counts = zip(*self._pending)
        self._pending = []
        self._values = np.append(self._values, fetch(values))[-self.max_length:]
        self._counts = np.append(self._counts, counts)[-self.max_length:]

    def __deepcopy__(self, memo: dict) -> HistoryBuffer:
        return HistoryBuffer(*self.data, max_length=self.max_length)

    def __reduce__(self) -> tuple:
        return self.__deepcopy__({}).__reduce__()


def fetch(values: tuple[Tensor | float, ...]) -> list[float]:
    """Numbers and scalar tensors, of any dtype and device, as numbers: one transfer for each device."""
    numbers = list(values)
    places: dict[torch.device, list[int]] = {}
    for i, value in enumerate(values):
        if isinstance(value, Tensor):
            places.setdefault(value.device, []).append(i)
    for indices in places.values():
        for i, number in zip(indices, torch.stack([values[i] for i in indices]).tolist()):
            numbers[i] = number
    return numbers


def note(hub: MessageHub, name: str, value: float | Tensor) -> None:
    """Log a number as :meth:`MessageHub.update_scalar` does, without a synchronisation.

    Args:
        hub (MessageHub): Where.
        name (str): Its name, such as ``'train/loss'``.
        value (float | Tensor): The number.
    """
    if name not in hub.log_scalars:
        hub.update_scalar(name, 0.)
        hub.log_scalars[name] = DeferredHistory(HistoryBuffer())
    defer(hub)
    hub.log_scalars[name].update(value)


def defer(hub: MessageHub) -> None:
    """Turn all histories of a hub into deferred ones."""
    for name, history in hub.log_scalars.items():
        if type(history) is HistoryBuffer:
            hub.log_scalars[name] = DeferredHistory(history)
