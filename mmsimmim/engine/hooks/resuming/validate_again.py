"""A validation that a kill has prevented."""

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, FlexibleRunner, Runner

# In a checkpoint: the iteration of which it knows the validation.
VALIDATED = 'validated_iter'


def validate_again(runner: Runner | FlexibleRunner) -> None:
    """Let a resumed run begin with the validation of its checkpoint, where one is due.

    A checkpoint is written before its validation, and MMEngine goes on after it: a kill in between would leave that
    result, and the best checkpoint that it may be, out of the run; in the last epoch for good.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it trains.
    """
    runner.register_hook(ValidateAgainHook(), priority='LOWEST')


class ValidateAgainHook(Hook):
    """Validate before the training goes on, unless the checkpoint has the result."""

    def before_train(self, runner: Runner | FlexibleRunner) -> None:
        """After all other hooks have begun.

        Args:
            runner (Runner | FlexibleRunner): The runner, with what it has resumed.
        """
        if _is_due(runner) and runner.message_hub.runtime_info.get(VALIDATED) != runner.iter:
            runner.logger.info(f'Validation of the resumed checkpoint, after iteration {runner.iter}.')
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner | FlexibleRunner, metrics: dict | None = None) -> None:
        """Note that it is done.

        Args:
            runner (Runner | FlexibleRunner): The runner.
            metrics (dict, optional): Not used.
        """
        runner.message_hub.update_info(VALIDATED, runner.iter)


def _is_due(runner: Runner | FlexibleRunner) -> bool:
    """Whether the loop has a validation at the position of the runner."""
    loop = runner.train_loop
    if runner.val_loop is None or not runner.iter or not hasattr(loop, 'val_begin'):
        return False
    position, last = runner.iter, runner.max_iters
    if isinstance(loop, EpochBasedTrainLoop):
        if runner.iter != runner.epoch * len(runner.train_dataloader):  # within an epoch
            return False
        position, last = runner.epoch, runner.max_epochs
    loop._decide_current_val_interval()
    return position >= loop.val_begin and (position % loop.val_interval == 0 or position == last)
