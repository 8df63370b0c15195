"""Steps of an optimizer that are not taken where the loss or the gradients are not finite, decided on the device."""

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from .finite import statistics_of, total_norm

# Updates after which the flags of one are read where the device computes behind the processor: by then they are there.
DELAY = 8


class StepRecord(NamedTuple):
    """What is known of an update.

    Attributes:
        iteration (int): The training iteration that ended with it, from 1.
        rate (float): The highest learning rate of it.
        samples (list[str]): What went into it, in this process.
        values (Tensor): Whether it was bad, its loss in this process, and the norm of its gradients; on the CPU, and
            valid after ``ready``.
        ready (torch.cuda.Event | None): Until when the values are on their way.
    """

    iteration: int
    rate: float
    samples: list[str]
    values: Tensor
    ready: torch.cuda.Event | None

    def read(self) -> tuple[bool, float, float]:
        """The values."""
        if self.ready is not None:
            self.ready.synchronize()
        bad, loss, norm = self.values.numpy().tolist()
        return bool(bad), loss, norm


class StepGuard:
    """Keeps an optimizer from taking bad steps.

    An update is bad if its loss or the norm of its gradients is not finite. Parameters, moments and the running
    statistics of norms stay as they were, bit for bit: fused optimizers of PyTorch skip the step themselves, on
    the device (``found_inf``, as for fp16's loss scaling); with another optimizer the processor has to wait for the
    flag. A loss that is not finite makes all gradients NaN, so that each process learns of it from
    the reduced gradients, without communication of its own.

    With fp16's dynamic loss scaling, gradients that overflow are no fault, unless the scale has fallen below 1; there
    the losses decide, and their flag is sent.

    Args:
        wrapper (OptimWrapper): Its ``backward``, ``step`` and clipping, and the optimizer's ``step``, are replaced.
        model (nn.Module): The model.
    """

    def __init__(self, wrapper: OptimWrapper, model: nn.Module) -> None:
        self.wrapper = wrapper
        self.iteration = 0
        self.samples: list[str] = []
        self._statistics = statistics_of(model)
        self._parameters = [parameter for group in wrapper.optimizer.param_groups for parameter in group['params']]
        self._losses: list[Tensor] = []
        self._norm: Tensor | None = None
        self._flags: tuple[Tensor, Tensor, Tensor] | None = None
        self._before: list[Tensor] = []
        self._records: deque[StepRecord] = deque()
        self._by_norm = bool(wrapper.clip_grad_kwargs) and getattr(wrapper, 'grad_name', '') == 'grad_norm'
        if self._by_norm:
            wrapper.clip_func = self._noting_norm(wrapper.clip_func)
        wrapper.backward = self._spreading(wrapper.backward)
        wrapper.step = self._recording(wrapper.step)
        wrapper.optimizer.step = self._gated(wrapper.optimizer.step)

    def begin(self, iteration: int, samples: list[str]) -> None:
        """Before the forward pass of a batch.

        Args:
            iteration (int): From 1.
            samples (list[str]): What is in it.
        """
        self.iteration = iteration
        if not self._losses:
            self._before = [buffer.clone() for buffer in self._statistics]
            self.samples = []
        self.samples += samples

    def due(self, everything: bool = False) -> list[StepRecord]:
        """Records of updates whose values can be read without waiting.

        Args:
            everything (bool): Those too that may have to be waited for. Defaults to False.

        Returns:
            list[StepRecord]: In order, each once; the same updates in every process.
        """
        waiting = DELAY if self._parameters[0].is_cuda and not everything else 0
        return [self._records.popleft() for _ in range(len(self._records) - waiting)]

    def _spreading(self, backward: Callable) -> Callable:
        @wraps(backward)
        def wrapped(loss: Tensor, **kwargs) -> None:
            self._losses.append(loss.detach().reshape(()))
            # 1 exactly, or NaN.
            backward(loss * (loss.detach() * 0 + 1), **kwargs)

        return wrapped

    def _noting_norm(self, clip: Callable) -> Callable:
        @wraps(clip)
        def wrapped(*args, **kwargs) -> Tensor | None:
            self._norm = clip(*args, **kwargs)
            return self._norm

        return wrapped

    def _recording(self, step: Callable) -> Callable:
        @wraps(step)
        def wrapped(**kwargs) -> None:
            self._flags = None
            # Clipped values would hide infinite ones.
            self._norm = None if self._by_norm else total_norm(self._parameters)
            step(**kwargs)
            skip, _, values = self._judge()
            for buffer, before in zip(self._statistics, self._before):
                buffer.copy_(torch.where(skip, before, buffer))
            self._record(values)
            self._losses = []

        return wrapped

    def _gated(self, step: Callable) -> Callable:
        optimizer = self.wrapper.optimizer

        @wraps(step)  # keeps the mark of MMEngine's counter of steps
        def wrapped(*args, **kwargs):
            if not self._losses:  # not a step of the wrapper
                return step(*args, **kwargs)
            skip, _, _ = self._judge()
            if not _skips_by_itself(optimizer):
                return None if skip.item() else step(*args, **kwargs)
            scaled, found = hasattr(optimizer, 'found_inf'), getattr(optimizer, 'found_inf', None)
            optimizer.found_inf = skip.float() if found is None else torch.maximum(skip.float(), found.to(skip.device))
            try:
                return step(*args, **kwargs)
            finally:
                if scaled:
                    optimizer.found_inf = found  # which its scaler will remove
                else:
                    del optimizer.found_inf

        return wrapped

    def _judge(self) -> tuple[Tensor, Tensor, Tensor]:
        """Whether to skip the update, whether it is bad, and the values of its record; once for each update."""
        if self._flags is None:
            loss = torch.stack(self._losses).sum().float()  # each is divided by their number already
            norm = loss.new_zeros(()) if self._norm is None else self._norm.detach().float().to(loss.device)
            broken, overflow = ~loss.isfinite(), ~norm.isfinite()
            scale = self._dynamic_scale()
            if scale is None:
                # In several processes a broken loss of another one is in the gradients only.
                bad = overflow if get_world_size() > 1 else broken | overflow
            else:
                bad = self._any_process(broken) | (overflow & (scale.to(loss.device) < 1))
            self._flags = (bad | overflow, bad, torch.stack([bad.float(), loss, norm]))
        return self._flags

    def _dynamic_scale(self) -> Tensor | None:
        scaler = getattr(self.wrapper, 'loss_scaler', None)
        if scaler is None or not scaler.is_enabled() or getattr(self.wrapper, '_scale_update_param', None) is not None:
            return None
        return scaler._scale

    def _any_process(self, flag: Tensor) -> Tensor:
        if get_world_size() == 1:
            return flag
        number = flag.float()
        all_reduce(number, op='max')
        return number > 0

    def _record(self, values: Tensor) -> None:
        ready = None
        if values.is_cuda:
            host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            host.copy_(values, non_blocking=True)
            ready = torch.cuda.Event()
            ready.record()
            values = host
        rate = max(group['lr'] for group in self.wrapper.optimizer.param_groups)
        self._records.append(StepRecord(self.iteration, rate, self.samples, values, ready))


def _skips_by_itself(optimizer: torch.optim.Optimizer) -> bool:
    return bool(getattr(optimizer, '_step_supports_amp_scaling', False))
