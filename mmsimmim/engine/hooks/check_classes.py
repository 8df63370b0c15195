"""A check of the classes of the data and of the model, before the first step."""

import os
from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from ...datasets.checks.categories import compare_categories, read_categories
from ...datasets.checks.heads import describe_heads, find_heads
from ...datasets.checks.part import classes_of
from ...datasets.checks.report import Section, some
from ...errors import UserError
from ...registry import HOOKS


@HOOKS.register_module()
class CheckClassesHook(Hook):
    """Stop where the classes of the data are not those of the model, or train and val differ.

    - The heads of a classifier (mmpretrain), a detector (mmdet: all stages of a cascade) or a segmentor (mmseg: decode
      and auxiliary heads) must tell as many classes apart as the data have. Otherwise labels above ``num_classes`` end
      in an assertion on the GPU.
    - Training and validation data must have the same classes in the same order.
    - Classes of data in COCO format must be categories of the annotation file, in its order. MMDetection silently
      ignores categories with other names: a misspelled class is trained on nothing.

    Datasets that do not say their classes are not checked, nor those of detectors that find what a text names.

    Raises:
        UserError: In ``before_train`` and ``before_test``; the message has what to set.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.CheckClassesHook')]
    """

    def before_train(self, runner: Runner) -> None:
        """Check the training data, and the validation data where there is a validation."""
        train = runner.train_dataloader.dataset
        _require_number(runner, train, 'training')
        _require_categories(train, 'training')
        if runner.val_loop is not None:
            val = runner.val_dataloader.dataset
            _require_same(classes_of(train), classes_of(val))
            _require_categories(val, 'validation')

    def before_test(self, runner: Runner) -> None:
        """Check the test data."""
        test = runner.test_dataloader.dataset
        _require_number(runner, test, 'test')
        _require_categories(test, 'test')


def _require_number(runner: Runner, dataset: Any, kind: str) -> None:
    classes, model = classes_of(dataset), _unwrap_model(runner.model)
    if not classes or any(getattr(part, 'return_classes', False) for part in _unwrap_data(dataset)):
        return
    heads = find_heads(model)
    of_preprocessor = getattr(getattr(model, 'data_preprocessor', None), 'num_classes', None)
    if of_preprocessor is not None:
        heads['data_preprocessor.num_classes'] = of_preprocessor
    text = describe_heads(heads, classes, kind)
    if text:
        raise UserError(f'{text}, or data_root to the right folder.')


def _unwrap_model(model: nn.Module) -> nn.Module:
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _unwrap_data(dataset: Any) -> Iterator[Any]:
    """The datasets inside of RepeatDataset, MultiImageMixDataset, ConcatDataset and their like."""
    inner = [dataset.dataset] if hasattr(dataset, 'dataset') else getattr(dataset, 'datasets', None)
    if inner is None:
        yield dataset
    for one in inner or ():
        yield from _unwrap_data(one)


def _require_categories(dataset: Any, kind: str) -> None:
    for part in _unwrap_data(dataset):
        found, classes = getattr(part, 'cat_ids', None), classes_of(part)
        if found is None or not classes or not os.path.isfile(part.ann_file):
            continue
        section = Section(kind)
        compare_categories(section, classes, read_categories(part.ann_file), part)
        if section.findings:
            raise UserError(f'The {kind} data: ' + ' '.join(text for _, text in section.findings))


def _require_same(train: list[str], val: list[str]) -> None:
    if train and val and train != val:
        only = {'training': [name for name in train if name not in val],
                'validation': [name for name in val if name not in train]}
        where = '; '.join(f'only in the {kind} data: {some(names, 5)}' for kind, names in only.items() if names)
        raise UserError('The validation data has other classes than the training data, or another order of them, so '
                        f'that the numbers of its labels mean something else ({where or "same names"}). Make the '
                        'folders the same, or give both datasets metainfo=dict(classes=[...]).')
