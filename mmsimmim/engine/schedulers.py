"""Learning-rate curves of the official runs, iteration by iteration."""

import math
from collections.abc import Sequence
from typing import Any

from mmengine.optim import _ParamScheduler
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin

from ..errors import UserError
from ..registry import PARAM_SCHEDULERS


class WarmupLR(LRSchedulerMixin, _ParamScheduler):
    """Linear warm-up, then a curve over absolute iterations.

    As in the official ``lr_scheduler.py``, the rate at iteration t (from 0) is the curve's value at t - 1, as
    the schedule is advanced after each step by the number of the step just done. The curve counts from iteration 0,
    so that it is past its start when the warm-up ends. All rates are given relative to the
    optimizer's, and so scale with it.

    Args:
        optimizer (Optimizer | OptimWrapper): Whose learning rates are set.
        warmup (int): Iterations of warm-up (epochs, with ``convert_to_iter_based=True`` in the config).
        warmup_ratio (float): First rate over the optimizer's; the same first rate for all parameter groups.
        end (int): Iterations of the whole run (epochs likewise). Defaults to the length of the training loop.
        by_epoch (bool): Must be False: the curve is one of iterations.
        last_step (int): Step to resume from. Defaults to -1.
        verbose (bool): Print every change. Defaults to False.

    Raises:
        ValueError: If ``by_epoch``.
        UserError: If the warm-up does not fit into the run.
    """

    def __init__(self,
                 optimizer: Any,
                 warmup: int,
                 warmup_ratio: float,
                 end: int,
                 by_epoch: bool = True,
                 last_step: int = -1,
                 verbose: bool = False) -> None:
        if by_epoch:
            raise ValueError(f'{type(self).__name__} changes the rate at every iteration: with numbers of epochs set '
                             'convert_to_iter_based=True, with numbers of iterations by_epoch=False')
        if not 0 <= warmup <= end:
            raise UserError(f'param_scheduler.warmup: {warmup} iterations of warm-up do not fit into a run of {end} '
                            'iterations. For so short a run set param_scheduler.warmup to less than its length, in '
                            'epochs where the config has convert_to_iter_based=True')
        self.warmup = warmup
        self.warmup_ratio = warmup_ratio
        self.total = end
        super().__init__(optimizer, by_epoch=by_epoch, last_step=last_step, verbose=verbose)

    @classmethod
    def build_iter_from_epoch(cls, *args: Any, warmup: float, end: float, epoch_length: int, by_epoch: bool = True,
                              **kwargs: Any) -> 'WarmupLR':
        """MMEngine's constructor for ``convert_to_iter_based=True``: epochs become iterations."""
        return cls(*args, warmup=round(warmup * epoch_length), end=round(end * epoch_length), by_epoch=False, **kwargs)

    def _get_value(self) -> list[float]:
        step = max(self.last_step - 1, 0)
        peak = max(self.base_values)
        if step >= self.warmup:
            return [self._curve(base, peak, step) for base in self.base_values]
        first = self.warmup_ratio * peak
        return [first + (base - first) * step / self.warmup for base in self.base_values]

    def _curve(self, base: float, peak: float, step: int) -> float:
        """Rate of a group after ``step`` steps; ``base`` is its own highest rate, ``peak`` that of all groups."""
        raise NotImplementedError


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(WarmupLR):
    """Warm-up, then the cosine of the official runs of up to 300 epochs.

    With 10 of 100 epochs of warm-up the rate falls from its peak to 97.6 % of it when the warm-up ends.

    Args:
        min_ratio (float): Last rate over the optimizer's; the same for all parameter groups.
        warmup_prefix (bool): Let the cosine begin at its start when the warm-up ends, without that fall, as the later
            runs of microsoft/Swin-Transformer (Swin V2). Defaults to False.
        **kwargs: See :class:`WarmupLR`.
    """

    def __init__(self, *args: Any, min_ratio: float, warmup_prefix: bool = False, **kwargs: Any) -> None:
        self.min_ratio = min_ratio
        self.warmup_prefix = warmup_prefix
        super().__init__(*args, **kwargs)

    def _curve(self, base: float, peak: float, step: int) -> float:
        last = self.min_ratio * peak
        start = self.warmup if self.warmup_prefix else 0
        share = min((step - start) / max(self.total - start, 1), 1)
        return last + (base - last) * (1 + math.cos(math.pi * share)) / 2


@PARAM_SCHEDULERS.register_module()
class WarmupMultiStepLR(WarmupLR):
    """Warm-up, then steps: the official runs of 800 epochs, with one at epoch 700.

    Args:
        milestones (Sequence[int]): Iterations of the steps, counted from the start of training, warm-up included
            (epochs, with ``convert_to_iter_based=True`` in the config).
        gamma (float): Factor of each step. Defaults to 0.1.
        **kwargs: See :class:`WarmupLR`.
    """

    def __init__(self, *args: Any, milestones: Sequence[int], gamma: float = 0.1, **kwargs: Any) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(*args, **kwargs)

    @classmethod
    def build_iter_from_epoch(cls, *args: Any, milestones: Sequence[float], epoch_length: int,
                              **kwargs: Any) -> 'WarmupMultiStepLR':
        """MMEngine's constructor for ``convert_to_iter_based=True``: epochs become iterations."""
        milestones = [round(milestone * epoch_length) for milestone in milestones]
        return super().build_iter_from_epoch(*args, milestones=milestones, epoch_length=epoch_length, **kwargs)

    def _curve(self, base: float, peak: float, step: int) -> float:
        return base * self.gamma**sum(step >= milestone for milestone in self.milestones)
