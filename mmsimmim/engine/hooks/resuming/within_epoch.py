"""A run that was interrupted goes on at the next step, also within an epoch, or with the validation it was in."""

from collections.abc import Iterator
from functools import wraps
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, FlexibleRunner, Runner
from torch.utils.data import DataLoader

# In a checkpoint's ``meta``: where an interrupted run was, beside the numbers of epoch and iteration.
MARK = 'interrupted'


def go_on_within_epoch(runner: Runner | FlexibleRunner) -> None:
    """Let a runner that resumes begin in the middle of an epoch, where the checkpoint was written there.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it trains.
    """
    if not any(isinstance(hook, WithinEpochHook) for hook in runner.hooks):
        runner.register_hook(WithinEpochHook(), priority='LOWEST')


class WithinEpochHook(Hook):
    """Leave out the batches of the first epoch that were trained on before, without loading them.

    Works with MMEngine's loop of epochs and those made from it, with any sampler. The order of an epoch is a function
    of seed and epoch there, and with :class:`mmsimmim.SeededSampler` the draws of a sample are, too.
    """

    def __init__(self) -> None:
        self._mark: dict[str, Any] = {}

    def after_load_checkpoint(self, runner: Runner | FlexibleRunner, checkpoint: dict) -> None:
        """Note where the run was.

        Args:
            runner (Runner | FlexibleRunner): The runner.
            checkpoint (dict): What the file holds.
        """
        if getattr(runner, '_resume', False):
            self._mark = dict(checkpoint.get('meta', {}).get(MARK) or {})

    def before_train(self, runner: Runner | FlexibleRunner) -> None:
        """Go on with the rest of an epoch, or with the validation.

        Args:
            runner (Runner | FlexibleRunner): The runner of the training.
        """
        mark, self._mark = self._mark, {}
        if mark.get('batches') and isinstance(runner.train_loop, EpochBasedTrainLoop):
            leave_out(runner.train_loop, _batches_done(runner, mark))
        if mark.get('validating') and runner.val_loop is not None:
            runner.val_loop.run()


def leave_out(loop: EpochBasedTrainLoop, number: int) -> None:
    """Let the next epoch of a loop begin after a number of batches, which are not loaded.

    Args:
        loop (EpochBasedTrainLoop): Its data loader and ``run_iter`` are wrapped.
        number (int): How many.
    """
    loader = loop.dataloader
    name = 'sampler' if loader.batch_sampler is None else 'batch_sampler'
    # PyTorch refuses to change a loader; its iterators ask it for the sampler when they begin an epoch.
    loader.__dict__[name] = _Rest(getattr(loader, name), number)
    _count_on(loop, number)


class _Rest:
    """A sampler that leaves out the first batches once."""

    def __init__(self, sampler: Any, number: int) -> None:
        self._sampler = sampler
        self._number = number

    def __iter__(self) -> Iterator:
        number, self._number = self._number, 0
        batches = iter(self._sampler)
        for _ in range(number):
            next(batches, None)
        yield from batches

    def __len__(self) -> int:
        return len(self._sampler)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or '_sampler' not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._sampler, name)


def _count_on(loop: EpochBasedTrainLoop, number: int) -> None:
    """Number the batches of this epoch as in the run that was interrupted."""
    run_iter, run_epoch = loop.run_iter, loop.run_epoch

    @wraps(run_iter)
    def later_iter(index: int, data_batch: Any) -> None:
        run_iter(index + number, data_batch)

    @wraps(run_epoch)
    def first_epoch() -> None:
        loop.run_iter = later_iter
        try:
            run_epoch()
        finally:
            del loop.run_iter, loop.run_epoch

    loop.run_epoch = first_epoch


def _batches_done(runner: Runner | FlexibleRunner, mark: dict[str, Any]) -> int:
    length, loader = mark.get('epoch_length'), runner.train_loop.dataloader
    done = mark['batches']
    if length != _length(loader):
        done = done * _length(loader) // length
        runner.logger.warning(
            f'The run was interrupted after {mark["batches"]} of {length} steps of an epoch, which now has '
            f'{_length(loader)}: it goes on after {done} of them. With other batches or another number of processes it '
            'is not, bit for bit, the run that was interrupted.')
    return done


def _length(loader: DataLoader) -> int:
    return len(loader)
