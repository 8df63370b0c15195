"""The data of a training, loaded before the model is built: there has to be a step to do."""

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

    It is the same data loader that the training then takes, so nothing is read twice.
    """

    def build_val_loop(self, loop: Any) -> Any:
        """As MMEngine's; a set without samples would end in a division by zero after the first epoch."""
        built = super().build_val_loop(loop)
        if isinstance(self.cfg.get('val_dataloader'), dict) and _is_empty(built.dataloader.dataset):
            raise UserError(_without_samples(self.cfg.val_dataloader, 'val_dataloader', 'validate'))
        return built

    def build_model(self, model: Any) -> Any:
        """As MMEngine's, afterwards."""
        load_training_data(self)
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
    try:
        loader = runner.build_dataloader(
            runner._train_dataloader, seed=runner.seed,
            diff_rank_seed=runner._randomness_cfg.get('diff_rank_seed', False))
        number = len(loader.dataset)
    except (TypeError, ValueError) as error:
        if 'at least one array' in str(error):  # MMEngine's BaseDataset without a sample
            raise UserError(_without_samples(runner._train_dataloader)) from error
        if 'has no len()' in str(error):  # a stream
            return
        raise
    if not number:
        raise UserError(_without_samples(runner._train_dataloader))
    if not _has_batches(loader, runner.cfg.get('train_cfg') or {}):
        raise UserError('train_dataloader: ' + describe_batches(number, loader.batch_size, get_world_size()))
    let_loader_live(loader)
    runner._train_dataloader = loader


def _has_batches(loader: DataLoader, train_cfg: dict) -> bool:
    loop = train_cfg.get('type')
    loop = LOOPS.get(loop) if isinstance(loop, str) else loop
    by_iteration = issubclass(loop, IterBasedTrainLoop) if isinstance(loop, type) else 'max_iters' in train_cfg
    # An endless stream fills any batch.
    return len(loader) > 0 or by_iteration and isinstance(loader.sampler, InfiniteSampler)


def _is_empty(dataset: Any) -> bool:
    return hasattr(dataset, '__len__') and len(dataset) == 0


def _without_samples(loader: dict, name: str = 'train_dataloader', purpose: str = 'train') -> str:
    dataset = loader['dataset']
    while isinstance(dataset, dict) and isinstance(dataset.get('dataset'), dict):
        dataset = dataset['dataset']
    where = ', '.join(f'{key}={dataset[key]!r}' for key in ('data_root', 'ann_file', 'indices') if dataset.get(key))
    filters = dataset.get('filter_cfg')
    return (f'{name}.dataset has no sample to {purpose} on ({where or dataset.get("type")}). '
            + (f'filter_cfg={dict(filters)} leaves none: there are no annotations of the classes of the config, or all '
               'images are smaller than min_size. ' if filters else '')
            + 'tools/dataset_converters/check_dataset.py tells what is in it.')
