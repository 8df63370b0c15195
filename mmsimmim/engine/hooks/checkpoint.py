"""Atomic writing of checkpoints."""

import os

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from ...registry import HOOKS
from ..finite import require_finite


class AtomicLocalBackend(LocalBackend):
    """Local files that get their name only when they are complete."""

    def put(self, obj: bytes, filepath) -> None:
        """Write a file.

        Args:
            obj (bytes): The content.
            filepath (str | Path): Its path; what was there before stays until the new file is complete.
        """
        temporary = f'{filepath}.tmp'
        os.makedirs(os.path.dirname(temporary) or '.', exist_ok=True)
        with open(temporary, 'wb') as file:
            file.write(obj)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, filepath)


register_backend('AtomicLocalBackend', AtomicLocalBackend, force=True)


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's hook, except that there is a complete checkpoint at any moment.

    MMEngine deletes the outdated checkpoint before it writes the new one, and writes it in place. Here a file is
    written under a temporary name, renamed when it is complete, and only then the outdated one is deleted. A model or
    an optimizer with values that are not finite is not written: the training stops.

    Args:
        **kwargs: As MMEngine's ``CheckpointHook``. Where ``backend_args`` or a remote ``out_dir`` choose another
            storage, writing is left to that.

    Examples:
        >>> default_hooks = dict(checkpoint=dict(type='mmsimmim.CheckpointHook', interval=1, max_keep_ckpts=3))
    """

    def __init__(self, *args, out_dir: str | None = None, backend_args: dict | None = None, **kwargs) -> None:
        if backend_args is None and '://' not in str(out_dir):
            backend_args = dict(backend='AtomicLocalBackend')
        super().__init__(*args, out_dir=out_dir, backend_args=backend_args, **kwargs)

    def after_val_epoch(self, runner, metrics: dict) -> None:
        """Keep the best model, if it is one."""
        if self.save_best:
            require_finite(runner)
        super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        require_finite(runner)
        outdated = self._make_room(step)
        super()._save_checkpoint_with_step(runner, step, meta)
        if is_main_process():
            for path in outdated:
                self._remove(path)

    def _make_room(self, step: int) -> list:
        """Remove outdated checkpoints from the list, so that MMEngine deletes nothing itself."""
        outdated = []
        if self.max_keep_ckpts > 0 and (not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step):
            while len(self.keep_ckpt_ids) >= self.max_keep_ckpts:
                name = self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
                outdated.append(self.file_backend.join_path(self.out_dir, name))
        return outdated

    def _remove(self, path: str) -> None:
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
