"""A run that is told to end writes a checkpoint first, from which it goes on at the next step."""

import os
import os.path as osp
import re
from collections.abc import Iterable

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.runner import EpochBasedTrainLoop, FlexibleRunner, Runner
from torch.utils.data import DataLoader

from ... import interruption
from ...checkpoints.storage import writing
from ...registry import HOOKS
from ..agreement import StopAgreement
from ..finite import require_finite, wrappers_of
from ..fsdp import free_whole, is_sharded
from .resuming.within_epoch import MARK, WithinEpochHook

NAME = 'interrupted_iter_{}.pth'


@HOOKS.register_module()
class PreemptionHook(WithinEpochHook):
    """Save and end after the next step when the process gets SIGTERM, SIGHUP or SIGUSR1.

    All processes stop after the same step, also if one of them alone got the signal; that costs a message to PyTorch's
    store in each step and no waiting. The step ends an update of the optimizer, so that no accumulated gradient is
    lost. The checkpoint ``interrupted_iter_N.pth`` lies where ``CheckpointHook`` writes, does not count for
    ``max_keep_ckpts``, and is removed when the next regular one is complete. The process exits with status 75. A second
    signal, more than a second later, ends it at once.

    A run that resumes from it goes on with the next batch of the epoch, and ends as one that was not interrupted. In a
    validation the run ends at once; the resumed one begins with that validation.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.PreemptionHook')]
    """

    # After everything else that belongs to a step, regular checkpoints included.
    priority = 'LOWEST'

    def __init__(self) -> None:
        super().__init__()
        self._agreement: StopAgreement | None = None
        self._written: list[str] = []
        self._regular: str | None = None
        self._averages: list[_Averages] = []

    def before_run(self, runner: Runner | FlexibleRunner) -> None:
        """Take the signals, where our tools have not done so.

        Args:
            runner (Runner | FlexibleRunner): The runner.
        """
        interruption.take_signals()

    def before_train(self, runner: Runner | FlexibleRunner) -> None:
        """Begin to look at signals, and go on where an interrupted run was.

        Args:
            runner (Runner | FlexibleRunner): The runner of the training.
        """
        self._agreement = StopAgreement()
        self._regular = runner.message_hub.runtime_info.get('last_ckpt')
        self._written = _find_written(runner) if getattr(runner, '_resume', False) else []
        self._averages = [_Averages(hook) for hook in runner.hooks if isinstance(hook, EMAHook)]
        for loop in (runner.train_loop, runner.val_loop):
            if isinstance(getattr(loop, 'dataloader', None), DataLoader):
                interruption.let_loader_live(loop.dataloader)
        interruption.looks_for_signals(True)
        super().before_train(runner)

    def after_train_iter(self, runner: Runner | FlexibleRunner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Save and end, if that is asked for.

        Args:
            runner (Runner | FlexibleRunner): The runner of the training.
            batch_idx (int): Index of the batch in its epoch.
            data_batch (dict, optional): Not used.
            outputs (dict, optional): Not used.
        """
        self._remove_outdated(runner)
        if not all(wrapper.should_update() for wrapper in wrappers_of(runner.optim_wrapper)):
            return
        if self._agreement.stops_here(interruption.requested() is not None):
            loop, mark = runner.train_loop, {}
            if isinstance(loop, EpochBasedTrainLoop):
                mark = dict(batches=batch_idx + 1, epoch_length=len(loop.dataloader))
            self._save_and_end(runner, runner.iter + 1, mark)

    def after_train_epoch(self, runner: Runner | FlexibleRunner) -> None:
        """Remove what a regular checkpoint has made outdated."""
        self._remove_outdated(runner)

    def before_val_epoch(self, runner: Runner | FlexibleRunner) -> None:
        """Save and end, if that is asked for."""
        self._look_in_validation(runner, last=not len(runner.val_dataloader))

    def after_val_iter(self, runner: Runner | FlexibleRunner, batch_idx: int, data_batch: dict | None = None,
                       outputs: list | None = None) -> None:
        """Save and end, if that is asked for.

        Args:
            runner (Runner | FlexibleRunner): The runner of the training.
            batch_idx (int): Index of the batch.
            data_batch (dict, optional): Not used.
            outputs (list, optional): Not used.
        """
        self._look_in_validation(runner, last=batch_idx + 1 >= len(runner.val_dataloader))

    def after_train(self, runner: Runner | FlexibleRunner) -> None:
        """Leave signals alone: the run has finished."""
        self._remove_outdated(runner)
        interruption.looks_for_signals(False)

    def _look_in_validation(self, runner: Runner | FlexibleRunner, last: bool) -> None:
        if self._agreement is None:  # no training
            return
        wanted = interruption.requested() is not None
        if self._agreement.stops_within(f'validation {runner.epoch} {runner.iter}', wanted, last):
            for averages in self._averages:
                averages.put_back()
            self._save_and_end(runner, runner.iter, dict(validating=True))

    def _save_and_end(self, runner: Runner | FlexibleRunner, step: int, mark: dict) -> None:
        path = self._save(runner, step, mark)
        signal = interruption.requested()
        if is_main_process():
            runner.logger.warning(
                f'Interrupted{f" by {signal.name}" if signal else ""} after iteration {step}: {path} is written, and '
                f'--resume goes on from it (exit status {interruption.RESUMABLE}).')
        interruption.ignore_signals()
        barrier()
        raise interruption.Interrupted(together=True)

    def _save(self, runner: Runner | FlexibleRunner, step: int, mark: dict) -> str:
        require_finite(runner)
        if is_sharded(runner.model):
            free_whole(runner.model)
        hook = _checkpoint_hook(runner)
        folder = _folder(runner)
        remote = '://' in folder
        backend = getattr(hook, 'backend_args', None) or (None if remote else dict(backend='AtomicLocalBackend'))
        name = NAME.format(step)
        runner.save_checkpoint(
            folder, name, save_param_scheduler=bool(runner.param_schedulers), by_epoch=False, backend_args=backend,
            meta={'epoch': runner.epoch, 'iter': step, MARK: mark})
        path = f'{folder.rstrip("/")}/{name}' if remote else osp.join(folder, name)
        if is_main_process():
            _note(runner, path)
            _remove(one for one in self._written if one != path)
        return path

    def _remove_outdated(self, runner: Runner | FlexibleRunner) -> None:
        """Remove checkpoints of interruptions when a regular one was written after them."""
        regular = runner.message_hub.runtime_info.get('last_ckpt')
        if self._written and regular != self._regular and is_main_process():
            _remove(self._written)
            self._written = []
        self._regular = regular


class _Averages:
    """Knows whether averaged weights are in the place of those in training, as in validations."""

    def __init__(self, hook: EMAHook) -> None:
        self._swap = hook._swap_ema_parameters
        self._swapped = False
        hook._swap_ema_parameters = self._noted

    def put_back(self) -> None:
        """The weights in training into their place."""
        if self._swapped:
            self._noted()

    def _noted(self) -> None:
        self._swap()
        self._swapped = not self._swapped


def _checkpoint_hook(runner: Runner | FlexibleRunner) -> CheckpointHook | None:
    return next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)


def _folder(runner: Runner | FlexibleRunner) -> str:
    """Where checkpoints are written; the hook has its own folder when the training has begun."""
    hook = _checkpoint_hook(runner)
    return str(hook.out_dir) if hook and hook.out_dir else runner.work_dir


def _find_written(runner: Runner | FlexibleRunner) -> list[str]:
    """Checkpoints of earlier interruptions of this run; what is left of a half-written one is removed."""
    folder = _folder(runner)
    if not is_main_process() or not osp.isdir(folder):
        return []
    names = [name for name in os.listdir(folder) if re.match(NAME.format(r'\d+').replace('.pth', r'\.pth'), name)]
    _remove(osp.join(folder, name) for name in names if name.endswith('.tmp'))
    return [osp.join(folder, name) for name in names if name.endswith('.pth')]


def _note(runner: Runner | FlexibleRunner, path: str) -> None:
    """MMEngine's note of the last checkpoint, never half of it."""
    note = osp.join(runner.work_dir, 'last_checkpoint')
    with writing(note, f'{note}.tmp'):
        with open(f'{note}.tmp', 'w') as file:
            file.write(path)
        os.replace(f'{note}.tmp', note)


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        if osp.isfile(path):
            os.remove(path)
