"""A training step that is timed part by part: forward with loss, backward, clipping, AdamW."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tools.benchmarks.stopwatch import Stopwatch

PARTS = ('forward and loss', 'backward', 'clipping', 'optimizer')
MAX_NORM = 5.0


class TrainingStep:
    """One model's steps, and what they took.

    Args:
        model (nn.Module): With all parameters; moved to the device and set to training.
        loss (Callable): Gives the loss of a batch, a scalar.
        device (str): Where it is trained.
        dtype (torch.dtype): Autocast to this; float32 for none. The weights stay float32.

    Attributes:
        parts (list[dict[str, float]]): Of each timed step the seconds of each of ``PARTS``.
        cold_start (float): Seconds of the first step, in which a compiled model is compiled.
        peak_bytes (int): Most bytes of the GPU in a timed step, 0 on a CPU.
    """

    def __init__(self, model: nn.Module, loss: Callable[..., Tensor], device: str, dtype: torch.dtype) -> None:
        self.model = model.to(device).train()
        self.loss = loss
        self.device = torch.device(device)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)
        self.parts: list[dict[str, float]] = []
        self.cold_start = 0.0
        self.peak_bytes = 0
        self._watch = Stopwatch(device)

    def warm_up(self, batch: tuple[Any, ...], steps: int) -> None:
        """Run the first step, whose time is ``cold_start``, and further ones that do not count."""
        self.cold_start = sum(self._run(batch).values())
        for _ in range(steps - 1):
            self._run(batch)

    def timed(self, batch: tuple[Any, ...]) -> None:
        """Run a step that counts."""
        on_gpu = self.device.type == 'cuda'
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
            before = torch.cuda.memory_allocated(self.device)
        self.parts.append(self._run(batch))
        if on_gpu:
            grown = torch.cuda.max_memory_allocated(self.device) - before
            self.peak_bytes = max(self.peak_bytes, self.lasting_bytes() + grown)

    def lasting_bytes(self) -> int:
        """Bytes that this model keeps between steps: weights, buffers and moments.

        Other models in the process have theirs, so that the allocator's sum tells nothing about one of them.
        """
        moments = (tensor for state in self.optimizer.state.values() for tensor in state.values())
        return count_bytes([*self.model.parameters(), *self.model.buffers(), *filter(torch.is_tensor, moments)])

    def _run(self, batch: tuple[Any, ...]) -> dict[str, float]:
        watch = self._watch
        watch.start()
        with self.autocast:
            loss = self.loss(*batch)
        watch.mark('forward and loss')
        loss.backward()
        watch.mark('backward')
        nn.utils.clip_grad_norm_(self.model.parameters(), MAX_NORM)
        watch.mark('clipping')
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        watch.mark('optimizer')
        return watch.stop()


def count_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors, those that share their memory counted once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())
