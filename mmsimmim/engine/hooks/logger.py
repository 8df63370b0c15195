"""Lines of the log in the first seconds of a training, however long its epochs are."""

from collections.abc import Sized

from mmengine.hooks import LoggerHook as MMEngineLoggerHook
from mmengine.runner import Runner

from ...registry import HOOKS
from ..unwritten import WritingErrors

# Steps, counted from the start or resumption of a training, that are logged early.
FIRST_STEPS = (1, 2, 5, 10, 20, 50)


@HOOKS.register_module()
class LoggerHook(MMEngineLoggerHook):
    """MMEngine's hook, with a line after the first steps and after the last one.

    MMEngine's stays silent for ``interval`` iterations, or for a whole epoch where that is shorter, and leaves out what
    comes after the last multiple of ``interval``. Here lines follow the steps 1, 2, 5, 10, 20 and 50 of the training
    (as far as they are below ``interval``), each ``interval`` of an epoch, the end of an epoch that is shorter, and the
    last step of all. An interval for long epochs so serves short ones too.

    Numbers, lines and pictures that cannot be written, as on a full disk, do not end the training, whichever hook makes
    them and wherever they go (TensorBoard, too): that is said once.

    How many samples the training has is logged once as ``data/train_images``, for ``plot_curves --against images``.

    Examples:
        >>> default_hooks = dict(logger=dict(type='mmsimmim.LoggerHook', interval=100))
    """

    _start = 0
    _errors: WritingErrors | None = None

    def before_run(self, runner: Runner) -> None:
        """Keep errors of writing from the run.

        Args:
            runner (Runner): The runner.
        """
        super().before_run(runner)
        if self._errors is None or self._errors.runner is not runner:
            self._errors = WritingErrors(runner)

    def before_train(self, runner: Runner) -> None:
        """Note where the training starts, and on how much data.

        Args:
            runner (Runner): The runner of the training.
        """
        self._start = runner.iter
        dataset = getattr(getattr(runner.train_loop, 'dataloader', None), 'dataset', None)
        if isinstance(dataset, Sized):
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
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
        finally:
            self.interval = interval
