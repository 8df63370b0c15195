"""Logging of unreadable files."""


from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.structures import BaseDataElement

from ...errors import shown
from ...registry import HOOKS


@HOOKS.register_module()
class SkippedFilesHook(Hook):
    """Name each unreadable file of an :class:`ImageFolder` once, and count them at the end of every epoch.

    The dataset's workers note the files in the samples that stand in for them; this hook reads the notes in the main
    process. Files met by other ranks are gathered every ``interval`` iterations and at the end of the epoch.

    Args:
        interval (int): Iterations between two collections from all ranks. Defaults to 1000.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.SkippedFilesHook')]
    """

    def __init__(self, interval: int = 1000) -> None:
        self.interval = interval
        self._named = set()
        self._met: dict[str, str] = {}

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Take up the notes of a training batch.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (dict, optional): The collated batch.
        """
        self._take(runner, data_batch)
        if self.every_n_train_iters(runner, self.interval):
            self._gather(runner)

    def before_val_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """The same in validation."""
        self._take(runner, data_batch)

    def before_test_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """The same in testing."""
        self._take(runner, data_batch)

    def after_train_epoch(self, runner) -> None:
        """Log the count. An iteration-based loop is one epoch."""
        self._count(runner, f'epoch {runner.epoch + 1}')

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        """Log the count."""
        self._count(runner, f'the validation after iteration {runner.iter}')

    def after_test_epoch(self, runner, metrics: dict | None = None) -> None:
        """Log the count."""
        self._count(runner, 'the test')

    def _take(self, runner, data_batch: dict | None) -> None:
        samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
        # one for all images of a batch, or one for each
        for sample in [samples] if isinstance(samples, BaseDataElement) else samples or ():
            skipped = getattr(sample, 'skipped_files', None)
            if skipped:
                self._met.update(skipped)
                self._name(runner, skipped)

    def _gather(self, runner) -> None:
        for met in all_gather_object(self._met):
            self._met.update(met)
        self._name(runner, self._met)

    def _name(self, runner, skipped: dict[str, str]) -> None:
        for path in sorted(skipped.keys() - self._named):
            runner.logger.warning(f'Left out, as it cannot be read: {shown(path)} ({shown(skipped[path])})')
        self._named.update(skipped)

    def _count(self, runner, period: str) -> None:
        self._gather(runner)
        if self._met:
            runner.logger.warning(f'Unreadable files left out in {period}: {len(self._met)} '
                                  f'({len(self._named)} since the start).')
        self._met = {}
