"""Other test sets for the model of a config: ``--test-sets NAME NAME=FOLDER FILE.py ...``.

A test set is a config of its own with ``test_dataloader`` and ``test_evaluator``. It replaces the dataset and the
metrics of a model's config; image size and crop are the model's.
"""

import re
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...errors import UserError
from ...shipped import configs_folder
from ..config.loading import find_config, read_with_options
from ..config.options import merge_options, top


def shipped_test_sets() -> list[str]:
    """Names of the test sets that come with the package."""
    return sorted(path.stem for path in _folder().glob('*.py'))


def use_test_sets(cfg: Config, test_sets: list[str], options: dict[str, Any]) -> None:
    """Test on other sets than the config's.

    Args:
        cfg (Config): With ``test_dataloader``. Changed in place.
        test_sets (list[str]): A name of :func:`shipped_test_sets` or a config file each, with ``=FOLDER`` behind it if
            the set is not where its file says.
        options (dict): Of ``--cfg-options``. Those for ``test_dataloader`` and ``test_evaluator`` hold for all sets.

    Raises:
        UserError: There is no such test set, its file lacks something, or the config's test has no pipeline.
    """
    tests = [_test_on(cfg, text, options) for text in test_sets]
    cfg.test_dataloader, cfg.test_evaluator = tests[0].test_dataloader, tests[0].test_evaluator
    if len(tests) > 1:
        others = [dict(dataloader=test.test_dataloader, evaluator=test.test_evaluator) for test in tests[1:]]
        cfg.test_cfg = dict(cfg.get('test_cfg') or {}, type='mmsimmim.MultiSetTestLoop', others=others)
    # Many a config has no such check, which its own data does not need.
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='mmsimmim.CheckClassesHook')]


def check_outputs(test_sets: list[str], out: str | None, save_predictions: str | None) -> None:
    """Refuse files that have no place for the predictions of several sets.

    Args:
        test_sets (list[str]): As in :func:`use_test_sets`.
        out (str, optional): The argument ``--out``.
        save_predictions (str, optional): The argument ``--save-predictions``.

    Raises:
        UserError: There are several sets, and such a file is asked for.
    """
    if len(test_sets) > 1 and (save_predictions or out and not out.endswith('.json')):
        raise UserError('Predictions can be saved for one test set at a time: give a single one in --test-sets, or '
                        '--out NAME.json for the metrics of all.')


def _test_on(cfg: Config, text: str, options: dict[str, Any]) -> Config:
    """The test of a config on one set."""
    test_set, loader = _read(text), cfg.test_dataloader
    dataset = dict(test_set.test_dataloader.dataset)
    dataset.setdefault('pipeline', _pipeline(loader.dataset, cfg))
    # Each loader is read once: workers that wait for a second time would only take memory.
    loader = {**loader, **test_set.test_dataloader, 'dataset': dataset, 'persistent_workers': False}
    test = Config(dict(test_dataloader=loader, test_evaluator=test_set.test_evaluator))
    merge_options(test, {key: value for key, value in options.items() if top(key) in test})
    return test


def _read(text: str) -> Config:
    name, _, folder = text.partition('=')
    cfg, _ = read_with_options(_path(name), dict(data_root=folder) if folder else {})
    missing = [key for key in ('test_dataloader', 'test_evaluator', *['data_root'] * bool(folder)) if key not in cfg]
    if missing or 'dataset' not in cfg.test_dataloader:
        raise UserError(f'--test-sets {text}: {cfg.filename} does not set '
                        f'{", ".join(missing) or "test_dataloader.dataset"}.')
    return cfg


def _path(name: str) -> str:
    """The file of a test set."""
    if not re.fullmatch(r'[\w-]+', name):
        return find_config(name)
    if name not in shipped_test_sets():
        raise UserError(f'--test-sets {name}: there is no such test set. There are '
                        f'{", ".join(shipped_test_sets())}, and any config file with test_dataloader and '
                        'test_evaluator.')
    return str(_folder() / f'{name}.py')


def _folder() -> Path:
    return configs_folder() / '_base_' / 'test_sets'


def _pipeline(dataset: dict, cfg: Config) -> list:
    """That of the innermost dataset."""
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    if 'pipeline' not in dataset:
        raise UserError(f'--test-sets: test_dataloader.dataset of {cfg.filename} has no pipeline that the test sets '
                        'could go through.')
    return dataset['pipeline']
