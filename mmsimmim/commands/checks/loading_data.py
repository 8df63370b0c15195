"""A data loader of a runner, built before it is used: there has to be something in it."""

from mmengine.runner import FlexibleRunner, Runner
from torch.utils.data import DataLoader

from ...errors import UserError


def load_data(runner: Runner | FlexibleRunner, loader: dict, key: str, purpose: str) -> DataLoader | None:
    """Build a data loader as the runner does, and make sure that its dataset has a sample.

    Args:
        runner (Runner | FlexibleRunner): The runner.
        loader (dict): Config of the loader.
        key (str): Where it is in the config.
        purpose (str): What the samples are there to do: 'train on', 'evaluate on'.

    Returns:
        DataLoader | None: The loader; None for a stream, whose end is not known.

    Raises:
        UserError: There is no sample.
    """
    try:
        built = runner.build_dataloader(loader, seed=runner.seed,
                                        diff_rank_seed=runner._randomness_cfg.get('diff_rank_seed', False))
        number = len(built.dataset)
    except (TypeError, ValueError) as error:
        if 'at least one array' in str(error):  # MMEngine's BaseDataset without a sample
            raise UserError(_without_samples(loader, key, purpose)) from error
        if 'has no len()' in str(error):
            return None
        raise
    if not number:
        raise UserError(_without_samples(loader, key, purpose))
    return built


def _without_samples(loader: dict, key: str, purpose: str) -> str:
    dataset = loader['dataset']
    while isinstance(dataset, dict) and isinstance(dataset.get('dataset'), dict):
        dataset = dataset['dataset']
    where = ', '.join(f'{name}={dataset[name]!r}' for name in ('data_root', 'ann_file', 'indices')
                      if name in dataset and dataset[name] not in ('', None))
    filters = None if dataset.get('test_mode') else dataset.get('filter_cfg')
    return (f'{key}.dataset has no sample to {purpose} ({where or dataset.get("type")}). '
            + (f'filter_cfg={dict(filters)} leaves none: there are no annotations of the classes of the config, or all '
               'images are smaller than min_size. ' if filters else '')
            + 'tools/dataset_converters/check_dataset.py tells what is in it.')
