"""Lines of the log in the first seconds of a training, however long its epochs are."""

import logging
import sys
from collections.abc import Iterator, Sized
from contextlib import contextmanager

from mmengine.hooks import LoggerHook as MMEngineLoggerHook
from mmengine.runner import Runner

from ...checkpoints.storage import free_space
from ...registry import HOOKS

# Steps, counted from the start or resumption of a training, that are logged early.
FIRST_STEPS = (1, 2, 5, 10, 20, 50)


@HOOKS.register_module()
class LoggerHook(MMEngineLoggerHook):
    """MMEngine's hook, with a line after the first steps and after the last one.

    MMEngine's stays silent for ``interval`` iterations, or for a whole epoch where that is shorter, and leaves out what
    comes after the last multiple of ``interval``. Here lines follow the steps 1, 2, 5, 10, 20 and 50 of the training
    (as far as they are below ``interval``), each ``interval`` of an epoch, the end of an epoch that is shorter, and the
    last step of all. An interval for long epochs so serves short ones too.

    A log that cannot be written, as on a full disk, does not end the training: that is said once.

    How many samples the training has is logged once as ``data/train_images``, for ``plot_curves --against images``.

    Examples:
        >>> default_hooks = dict(logger=dict(type='mmsimmim.LoggerHook', interval=100))
    """

    _start = 0
    _fails = False

    def before_train(self, runner: Runner) -> None:
        """Note where the training starts, and on how much data.

        Args:
            runner (Runner): The runner of the training.
        """
        self._start = runner.iter
        for handler in runner.logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handleError = lambda record: self._say_once(runner)  # not a traceback for each line
        dataset = getattr(getattr(runner.train_loop, 'dataloader', None), 'dataset', None)
        if isinstance(dataset, Sized):
            with self._going_on(runner):
                runner.visualizer.add_scalars({'data/train_images': len(dataset)}, step=runner.iter,
                                              file_path=self.json_log_path)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Write a line if one is due.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Index of the batch in its epoch.
            data_batch (dict, optional): Not used.
            outputs (dict, optional): Not used.
        """
        step, interval = runner.iter + 1 - self._start, self.interval
        if step in FIRST_STEPS and step < interval or self.is_last_train_iter(runner):
            self.interval = 1  # MMEngine's then writes the line, once, whatever else makes one due
        try:
            with self._going_on(runner):
                super().after_train_iter(runner, batch_idx, data_batch, outputs)
        finally:
            self.interval = interval

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the metrics.

        Args:
            runner (Runner): The runner of the training.
            metrics (dict[str, float], optional): Of the validation.
        """
        with self._going_on(runner):
            super().after_val_epoch(runner, metrics)

    @contextmanager
    def _going_on(self, runner: Runner) -> Iterator[None]:
        """Without the lines that cannot be written."""
        try:
            yield
        except OSError as error:
            self._say_once(runner, error)

    def _say_once(self, runner: Runner, error: BaseException | None = None) -> None:
        if not self._fails:
            self._fails = True
            error = error or sys.exc_info()[1]
            folder = runner.work_dir
            runner.logger.warning(f'The log in {folder} cannot be written ({error}; {free_space(folder)} left on its '
                                  'disk). Training goes on; what is not written is lost.')
