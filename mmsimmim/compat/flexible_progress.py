"""Fault: ``FlexibleRunner`` of MMEngine 0.10.7, and of its fork, counts wrong in checkpoints that validation writes.

With ``save_best`` the checkpoint hook writes the best checkpoint and, once more, the last one after the validation, and
says which epoch and iteration they are of. ``Runner`` writes that down; ``FlexibleRunner`` counts one more, so that
a resumed run leaves out a whole epoch.

Repair: epoch and iteration that were given are written.
"""

import functools
from types import ModuleType

from mmsimmim.compat.import_hook import after_import


def apply() -> None:
    """Let ``FlexibleRunner.save_checkpoint`` keep what it is given."""
    after_import('mmengine.runner._flexible_runner', _mend)


def _mend(upstream: ModuleType) -> None:
    runner = upstream.FlexibleRunner
    if not hasattr(runner.save_checkpoint, '__wrapped__'):
        runner.save_checkpoint = _keep_progress(runner.save_checkpoint)


def _keep_progress(save_checkpoint):
    @functools.wraps(save_checkpoint)
    def wrapped(self, *args, meta=None, **kwargs):
        given = {key: meta[key] for key in ('epoch', 'iter') if key in (meta or {})}
        hooks = self._hooks
        self._hooks = [_Progress(given), *hooks]
        try:
            # It also writes into what it is given, which the hook goes on to give for the next file.
            save_checkpoint(self, *args, meta=meta and dict(meta), **kwargs)
        finally:
            self._hooks = hooks

    return wrapped


class _Progress:
    """Writes epoch and iteration into a checkpoint before the hooks of the runner see it."""

    def __init__(self, given: dict) -> None:
        self.given = given

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint['meta'].update(self.given)
