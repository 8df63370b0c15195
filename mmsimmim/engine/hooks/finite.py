"""A training that diverges says so, and stops."""

import math
from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.structures import BaseDataElement

from ...errors import UserError
from ...registry import HOOKS
from ..finite import wrappers_of
from ..step_guard import StepGuard, StepRecord

# Files named of a batch, all samples of which are named by their index.
FILES = 4


@HOOKS.register_module()
class FiniteHook(Hook):
    """Skip steps whose loss or gradient norm is not finite, name them, and stop after too many in a row.

    See :class:`StepGuard` for what a skipped step leaves untouched. Nothing waits for the device: on a GPU the
    message, and the end of the run, come eight updates later, which change nothing if they are bad, too. All
    processes stop at the same update. The number of skipped steps goes into checkpoints as ``bad_steps`` and on
    counting when a run is resumed.

    Args:
        max_bad_steps (int): How many steps in a row are skipped; one more ends the run. 0 allows none. Defaults to 10.

    Raises:
        UserError: From the training, after too many; or ``max_bad_steps`` is negative.

    Examples:
        >>> default_hooks = dict(finite=dict(type='mmsimmim.FiniteHook', max_bad_steps=10))
    """

    # Before the hook that takes over the clipping, and before checkpoints.
    priority = 'HIGHEST'

    def __init__(self, max_bad_steps: int = 10) -> None:
        if not isinstance(max_bad_steps, int) or max_bad_steps < 0:
            raise UserError(f'FiniteHook: max_bad_steps is {max_bad_steps!r}; give a number of steps, 0 or more.')
        self.max_bad_steps = max_bad_steps
        self._guards: list[StepGuard] = []
        self._in_a_row = 0

    def before_train(self, runner) -> None:
        """Guard the steps of every optimizer, once.

        Args:
            runner (Runner): The runner of the training.
        """
        guarded = [guard.wrapper for guard in self._guards]
        self._guards += [StepGuard(wrapper, runner.model) for wrapper in wrappers_of(runner.optim_wrapper)
                         if wrapper not in guarded]

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Note what is in the batch.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (dict, optional): The batch.
        """
        samples = name_samples(data_batch)
        for guard in self._guards:
            guard.begin(runner.iter + 1, samples)

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Look at the updates that are known by now."""
        self._look(runner, everything=False)

    def after_train_epoch(self, runner) -> None:
        """Look at all updates before a checkpoint is written."""
        self._look(runner, everything=True)

    def _look(self, runner, everything: bool) -> None:
        for guard in self._guards:
            for record in guard.due(everything):
                bad, loss, norm = record.read()
                self._in_a_row = self._in_a_row + 1 if bad else 0
                if bad:
                    self._tell(runner, record, loss, norm)

    def _tell(self, runner, record: StepRecord, loss: float, norm: float) -> None:
        total = runner.message_hub.runtime_info.get('bad_steps', 0) + 1
        runner.message_hub.update_info('bad_steps', total)
        what = (f'Iteration {record.iteration}: loss {loss:g}, gradient norm {norm:g}, at learning rate '
                f'{record.rate:.4g}; the step is skipped ({self._in_a_row} in a row, {total} in all). '
                f'The batch: {"; ".join(record.samples) or "its samples have no names"}.')
        if runner.rank == 0 or not math.isfinite(loss):
            runner.logger.error(what)
        if self._in_a_row > self.max_bad_steps:
            raise UserError(
                f'The training has diverged: {self._in_a_row} steps in a row had a loss or a gradient norm that is not '
                f'finite, and FiniteHook allows max_bad_steps={self.max_bad_steps}. The model is that of before them, '
                f'and checkpoints are left as they are. {what} Look at these samples, or go on from the last '
                'checkpoint (--resume) with a lower learning rate.')


def name_samples(data_batch: dict | None) -> list[str]:
    """Names of what is in a batch, for a message: indices into the dataset, and the first files.

    Args:
        data_batch (dict, optional): A collated batch of any of the frameworks.

    Returns:
        list[str]: One text each for indices and files; empty if the batch has no names.
    """
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    texts = []
    for key, most in (('sample_idx', None), ('img_id', None), ('img_path', FILES)):
        values = [value for value in _values(samples, key) if value is not None]
        if values and not (key == 'img_id' and texts):
            texts.append(f'{key} ' + ', '.join(map(repr, values[:most])) + (', ...' if values[most or 0:] and most
                                                                           else ''))
    return texts


def _values(samples: BaseDataElement | Sequence | None, key: str) -> list:
    if isinstance(samples, BaseDataElement):
        value = samples.get(key)
        return list(value) if isinstance(value, (list, tuple)) else [value]
    if isinstance(samples, (list, tuple)):
        return [value for sample in samples if isinstance(sample, BaseDataElement) for value in _values(sample, key)]
    return []
