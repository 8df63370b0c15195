"""The data of a validation or a test, loaded before the model is built: there has to be something to score."""

from collections.abc import Callable, Iterator
from functools import partial

from mmengine.runner import FlexibleRunner, Runner
from torch.utils.data import Dataset

from ...datasets.checks.part import list_metrics
from ...datasets.checks.steps import describe_left_out
from ...errors import UserError
from .loading_data import load_data


def load_evaluation_data(runner: Runner | FlexibleRunner, name: str) -> None:
    """Build the data loaders of an evaluation that has not begun.

    Args:
        runner (Runner | FlexibleRunner): The runner; keeps the loaders.
        name (str): 'val' or 'test'.

    Raises:
        UserError: There is no sample, not one batch, or no annotation that a detector could be scored by.
    """
    for config, evaluator, keep in list(_loaders(runner, name)):
        loader = load_data(runner, config, f'{name}_dataloader', 'evaluate on')
        if loader is None:
            continue
        if not len(loader):
            raise UserError(describe_left_out(f'{name}_dataloader', len(loader.dataset), loader.batch_size))
        _require_annotations(loader.dataset, evaluator, name)
        keep(loader)


def _loaders(runner: Runner | FlexibleRunner, name: str) -> Iterator[tuple[dict, dict | list, Callable]]:
    """Config of a loader, config of its evaluator, and what puts the loader in place of its config."""
    key, loop = f'_{name}_dataloader', getattr(runner, f'_{name}_loop')
    if isinstance(getattr(runner, key), dict):
        yield getattr(runner, key), getattr(runner, f'_{name}_evaluator'), partial(setattr, runner, key)
    for other in loop.get('others') or () if isinstance(loop, dict) else ():  # of MultiSetTestLoop
        yield other['dataloader'], other['evaluator'], partial(other.__setitem__, 'dataloader')


def _require_annotations(dataset: Dataset, evaluator: dict | list, name: str) -> None:
    """MMDetection gives -1 for every metric where there is no object to be found."""
    metrics = [metric for metric in list_metrics(evaluator) if isinstance(metric, dict)]
    if not metrics or any(metric.get('format_only') for metric in metrics) or not hasattr(dataset, 'get_data_info'):
        return
    for index in range(len(dataset)):
        objects = dataset.get_data_info(index).get('instances')
        if objects is None or any(not one.get('ignore_flag') for one in objects):
            return
    where = getattr(dataset, 'ann_file', '') or type(dataset).__name__
    raise UserError(f'{name}_dataloader.dataset: {where} has no annotation of a class of the config, crowds apart, so '
                    'that nothing can be scored. Give annotations, or format_only=True in the metric to write '
                    f'predictions alone{"; --no-validate trains without" if name == "val" else ""}.')
