"""Random numbers of a training step that do not depend on earlier ones."""


import torch
from mmengine.hooks import Hook

from ...datasets.seeding import seed_all
from ...registry import HOOKS


@HOOKS.register_module()
class SeedStepHook(Hook):
    """Seed all generators of the training process from (run's seed, rank, iteration) before each step.

    A resumed run then has the drop paths of the uninterrupted run, and neither validation nor
    data loading in the main process changes them. :class:`SeedSample` seeds the samples.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.SeedStepHook')]
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Seed.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (dict, optional): Not used.
        """
        seed_all(runner.seed, runner.rank, runner.iter)
        if torch.cuda.is_available():
            torch.cuda.manual_seed(torch.initial_seed())
