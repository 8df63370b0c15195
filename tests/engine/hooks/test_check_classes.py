"""Classes of data and model that do not fit stop the run before its first step."""

from types import SimpleNamespace

import pytest
from torch import nn

from mmsimmim.engine import CheckClassesHook
from mmsimmim.errors import UserError


def loader(*classes):
    return SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=classes) if classes else {}))


def runner(train=('a', 'b', 'c'), val=('a', 'b', 'c'), head=3, preprocessor=3):
    model = nn.Module()
    model.head, model.data_preprocessor = nn.Linear(1, 1), nn.Identity()
    model.head.num_classes, model.data_preprocessor.num_classes = head, preprocessor
    return SimpleNamespace(model=model, train_dataloader=loader(*train), val_dataloader=loader(*val),
                           test_dataloader=loader(*val), val_loop=object())


@pytest.mark.parametrize('changes', [
    {}, dict(preprocessor=None), dict(train=(), val=(), head=5), dict(train=(), val=('x', ), head=5)])
def test_what_fits_or_cannot_be_known_passes(changes):
    CheckClassesHook().before_train(runner(**changes))


def test_models_without_a_head_pass():
    unlabelled = runner()
    del unlabelled.model.head
    unlabelled.model.data_preprocessor = nn.Identity()
    CheckClassesHook().before_train(unlabelled)


def test_other_numbers_are_named_with_the_one_to_set():
    message = (r'training data has 3 classes \(a, b, c\), but model.head.num_classes is 10 and '
               r'data_preprocessor.num_classes is 12. Set num_classes=3')
    with pytest.raises(UserError, match=message):
        CheckClassesHook().before_train(runner(head=10, preprocessor=12))


def test_a_model_wrapped_for_several_processes_is_checked():
    from mmengine.registry import MODEL_WRAPPERS
    wrapped = runner(head=4)

    class Wrapper(nn.Module):
        pass

    MODEL_WRAPPERS.register_module(name='CheckedWrapper', module=Wrapper)
    wrapper = Wrapper()
    wrapper.module = wrapped.model
    wrapped.model = wrapper
    try:
        with pytest.raises(UserError, match='num_classes is 4'):
            CheckClassesHook().before_train(wrapped)
    finally:
        MODEL_WRAPPERS.module_dict.pop('CheckedWrapper')


@pytest.mark.parametrize('val, message', [
    (('a', 'c'), 'only in the training data: b'), (('a', 'b', 'd'), 'only in the training data: c; only in the val'),
    (('a', 'c', 'b'), 'same names')])
def test_other_classes_in_val(val, message):
    with pytest.raises(UserError, match=message):
        CheckClassesHook().before_train(runner(val=val))
    without = runner(val=val)
    without.val_loop = None
    CheckClassesHook().before_train(without)


def test_test_data_is_checked():
    with pytest.raises(UserError, match='test data has 2 classes'):
        CheckClassesHook().before_test(runner(val=('a', 'c')))
