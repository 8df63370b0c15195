"""The data of a training or a test, loaded before the model is built: there has to be a step to do."""

from typing import Any

from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.runner import FlexibleRunner, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from ...datasets.checks.steps import describe_batches, describe_length
from ...errors import UserError
from ...interruption import let_loader_live
from ...registry import LOOPS
from .evaluation_data import load_evaluation_data
from .loading_data import load_data


def check_length(cfg: Config) -> None:
    """Stop where the config asks for no step.

    Args:
        cfg (Config): With ``train_cfg``.

    Raises:
        UserError: ``max_epochs`` or ``max_iters`` is below 1.
    """
    if text := describe_length(cfg):
        raise UserError(text)


class DataFirstRunner(Runner):
    """MMEngine's runner, except that the training's data is loaded before the model is built.

    They are the same data loaders that the training then takes, so nothing is read twice.
    """

    def build_model(self, model: Any) -> Any:
        """As MMEngine's, afterwards."""
        load_training_data(self)
        load_evaluation_data(self, 'val')
        return super().build_model(model)


class TestDataFirstRunner(Runner):
    """The same for a test and its data."""

    def build_model(self, model: Any) -> Any:
        """As MMEngine's, afterwards."""
        load_evaluation_data(self, 'test')
        return super().build_model(model)


def load_training_data(runner: Runner | FlexibleRunner) -> None:
    """Build the data loader of a training that has not begun.

    Args:
        runner (Runner | FlexibleRunner): The runner; keeps the loader.

    Raises:
        UserError: There is no sample, or not one batch.
    """
    if not isinstance(runner._train_dataloader, dict):
        return
    loader = load_data(runner, runner._train_dataloader, 'train_dataloader', 'train on')
    if loader is None:
        return
    if not _has_batches(loader, runner.cfg.get('train_cfg') or {}):
        raise UserError('train_dataloader: ' + describe_batches(len(loader.dataset), loader.batch_size,
                                                                get_world_size()))
    let_loader_live(loader)
    runner._train_dataloader = loader


def _has_batches(loader: DataLoader, train_cfg: dict) -> bool:
    loop = train_cfg.get('type')
    loop = LOOPS.get(loop) if isinstance(loop, str) else loop
    by_iteration = issubclass(loop, IterBasedTrainLoop) if isinstance(loop, type) else 'max_iters' in train_cfg
    # An endless stream fills any batch.
    return len(loader) > 0 or by_iteration and isinstance(loader.sampler, InfiniteSampler)
