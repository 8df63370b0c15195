"""The classes of the data against those of the model, before the first step."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ...errors import UserError
from ...registry import HOOKS


@HOOKS.register_module()
class CheckClassesHook(Hook):
    """Stop where a classifier of mmpretrain has another number of classes than its data, or train and val differ.

    Otherwise labels above ``num_classes`` end in an assertion on the GPU, and a class that is missing in ``val`` shifts
    the numbers of those behind it without a word. Data sets that do not say their classes are not checked.

    Raises:
        UserError: In ``before_train`` and ``before_test``; the message has the number to set.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.CheckClassesHook')]
    """

    def before_train(self, runner: Runner) -> None:
        """Check the training data, and the validation data where there is a validation."""
        classes = _classes(runner.train_dataloader)
        _require_number(runner, classes, 'training')
        if runner.val_loop is not None:
            _require_same(classes, _classes(runner.val_dataloader))

    def before_test(self, runner: Runner) -> None:
        """Check the test data."""
        _require_number(runner, _classes(runner.test_dataloader), 'test')


def _classes(loader) -> list[str]:
    return list(getattr(loader.dataset, 'metainfo', {}).get('classes') or ())


def _require_number(runner: Runner, classes: list[str], kind: str) -> None:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    numbers = {
        'model.head.num_classes': getattr(getattr(model, 'head', None), 'num_classes', None),
        'data_preprocessor.num_classes': getattr(model.data_preprocessor, 'num_classes', None),
    }
    wrong = {key: number for key, number in numbers.items() if classes and number not in (None, len(classes))}
    if wrong:
        raise UserError(f'The {kind} data has {len(classes)} classes ({_some(classes)}), but '
                        f'{" and ".join(f"{key} is {number}" for key, number in wrong.items())}. Set num_classes='
                        f'{len(classes)} there, or data_root to the right folder.')


def _require_same(train: list[str], val: list[str]) -> None:
    if train and val and train != val:
        only = {'training': [name for name in train if name not in val],
                'validation': [name for name in val if name not in train]}
        where = '; '.join(f'only in the {kind} data: {_some(names)}' for kind, names in only.items() if names)
        raise UserError('The validation data has other classes than the training data, or another order of them, so '
                        f'that the numbers of its labels mean something else ({where or "same names"}). Make the '
                        'folders the same, or give both data sets metainfo=dict(classes=[...]).')


def _some(names: list[str]) -> str:
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')
