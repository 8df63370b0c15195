"""Atomic writing of checkpoints."""

import os

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from ...checkpoints.storage import sync_folder, writing
from ...registry import HOOKS
from ..finite import require_finite
from .resuming.accumulated import GRADIENTS, accumulated_gradients, restore_gradients
from .resuming.leftovers import note_outdated, remove_leftovers
from .resuming.own_folder import forget_files_of_others, lies_in
from .resuming.validate_again import VALIDATED


class AtomicLocalBackend(LocalBackend):
    """Local files that get their name only when they are complete."""

    def put(self, obj: bytes, filepath) -> None:
        """Write a file.

        Args:
            obj (bytes): The content.
            filepath (str | Path): Its path; what was there before stays until the new file is complete.

        Raises:
            UserError: The disk does not take it. Nothing of it is left behind.
        """
        temporary = f'{filepath}.tmp'
        with writing(str(filepath), temporary):
            os.makedirs(os.path.dirname(temporary) or '.', exist_ok=True)
            with open(temporary, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, filepath)
            sync_folder(os.path.dirname(filepath))


register_backend('AtomicLocalBackend', AtomicLocalBackend, force=True)


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's hook, except that there is a complete checkpoint at any moment.

    MMEngine deletes the outdated checkpoint before it writes the new one, and writes it in place. Here a file is
    written under a temporary name, renamed when it is complete, and only then the outdated one is deleted. The same
    holds for the best checkpoint; what a kill in between leaves is removed when the run is resumed.
    Nothing outside the folder of the run is deleted, whatever a resumed checkpoint says.
    A model or an optimizer with values that are not finite is not written: the training stops.

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
        self._replaced: list[str] = []  # the best checkpoints, while better ones are being written
        self._gradients: dict = {}  # on their way into a checkpoint, or out of one

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Note the gradients of an update that the checkpoint falls into, and let nobody else hold them."""
        gradients = checkpoint.pop(GRADIENTS, {})
        self._gradients = gradients if getattr(runner, '_resume', False) else {}

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add such gradients to a checkpoint from which a training can go on."""
        if self._gradients and 'optimizer' in checkpoint:
            checkpoint[GRADIENTS] = self._gradients

    def before_train(self, runner) -> None:
        """As MMEngine's; of a resumed run's best checkpoints those in its own folder are known.

        Args:
            runner (Runner): The runner.
        """
        forget_files_of_others(runner, self.out_dir)
        super().before_train(runner)
        restore_gradients(runner, self._gradients)
        self._gradients = {}
        last = runner.message_hub.runtime_info.get('last_ckpt')
        if isinstance(last, str) and lies_in(last, self.out_dir):
            self.last_ckpt = last  # without which a better score is not noted in it
        if is_main_process() and isinstance(self.file_backend, AtomicLocalBackend):
            if names := remove_leftovers(self.out_dir, runner.message_hub):
                runner.logger.info(f'Removed what an interrupted run has left: {", ".join(names)}')

    def after_val_epoch(self, runner, metrics: dict) -> None:
        """Keep the best model, if it is one."""
        runner.message_hub.update_info(VALIDATED, runner.iter)
        if self.save_best:
            require_finite(runner)
        super().after_val_epoch(runner, metrics)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        before = self._take_best()
        self._replaced = [path for path in before.values() if lies_in(path, self.out_dir)]
        super()._save_best_checkpoint(runner, metrics)
        after = self._take_best()
        self._give_best({**before, **after})
        self._replaced = []
        if is_main_process():
            for name in after:
                path = before.get(name)
                if path and path != after[name] and lies_in(path, self.out_dir):
                    self._remove(path)

    def _take_best(self) -> dict:
        """The paths of the best checkpoints; MMEngine, which would delete them too early, no longer has them."""
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            paths, self.best_ckpt_path = {None: self.best_ckpt_path}, None
        else:
            paths, self.best_ckpt_path_dict = self.best_ckpt_path_dict, dict.fromkeys(self.key_indicators)
        return {name: path for name, path in paths.items() if path}

    def _give_best(self, paths: dict) -> None:
        if self.save_best and len(self.key_indicators) == 1:
            self.best_ckpt_path = paths.get(None)
        elif self.save_best:
            self.best_ckpt_path_dict = {name: paths.get(name) for name in self.key_indicators}

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        require_finite(runner)
        outdated = self._make_room(step)
        note_outdated(runner.message_hub, [*outdated, *self._replaced])
        self._gradients = accumulated_gradients(runner)
        super()._save_checkpoint_with_step(runner, step, meta)
        self._gradients = {}
        last = runner.message_hub.runtime_info.get('last_ckpt')
        if isinstance(last, str) and lies_in(last, self.out_dir):
            self.last_ckpt = last  # without which a better score is not noted in it
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
