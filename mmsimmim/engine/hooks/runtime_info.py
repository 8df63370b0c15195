"""Logging losses and norms without synchronising with the device."""

from collections.abc import Callable
from functools import wraps

from mmengine.hooks import RuntimeInfoHook as MMEngineRuntimeInfoHook
from mmengine.logging import MessageHub
from torch import Tensor

from ...registry import HOOKS
from ..deferred_history import defer, note


@HOOKS.register_module()
class RuntimeInfoHook(MMEngineRuntimeInfoHook):
    """MMEngine's hook for learning rates, losses and gradient norms, without synchronisation.

    MMEngine's reads loss and norm from the device after every step, so that the next one can only be queued
    when this one has been computed. Here they are fetched together when they are read: for a log line or a checkpoint.
    The numbers are the same.

    Examples:
        >>> default_hooks = dict(runtime_info=dict(type='mmsimmim.RuntimeInfoHook'))
    """

    def before_train(self, runner) -> None:
        """As MMEngine's, and keep the optimizer wrapper from fetching the norm.

        Args:
            runner (Runner): The runner of the training.
        """
        super().before_train(runner)
        wrapper = runner.optim_wrapper
        # There are wrappers of several optimizers, which have no clipping of their own.
        if getattr(wrapper, 'clip_grad_kwargs', None):
            wrapper.clip_func = _with_noted_norm(wrapper.clip_func, runner.message_hub, f'train/{wrapper.grad_name}')

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Log the outputs of the step.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (dict, optional): Not used.
            outputs (dict, optional): Scalars, by name.
        """
        for name, value in (outputs or {}).items():
            note(runner.message_hub, f'train/{name}', value)
        defer(runner.message_hub)


def _with_noted_norm(clip: Callable, hub: MessageHub, name: str) -> Callable:
    if getattr(clip, 'notes_norm', False):
        return clip

    @wraps(clip)
    def wrapped(*args, **kwargs) -> None:
        norm = clip(*args, **kwargs)
        # Clipping by value gives none.
        if isinstance(norm, Tensor):
            note(hub, name, norm)

    wrapped.notes_norm = True
    return wrapped
