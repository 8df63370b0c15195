"""Classes of data and model that do not fit stop the run before its first step."""

from types import SimpleNamespace

import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.model import BaseTTAModel
from torch import nn

from mmsimmim.engine import CheckClassesHook
from mmsimmim.errors import UserError
from tests.datasets.checks.synthetic import CocoFolder


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


class Head(nn.Module):

    def __init__(self, num_classes, **settings):
        super().__init__()
        self.num_classes = num_classes
        vars(self).update(settings)


def run_of(train, val=None, test=None, **parts):
    """Of a detector or segmentor with some parts."""
    loaders = {f'{name}_dataloader': SimpleNamespace(dataset=dataset)
               for name, dataset in dict(train=train, val=val, test=test).items()}
    return SimpleNamespace(model=nn.ModuleDict(parts), val_loop=val, **loaders)


def stages(*numbers):
    return nn.ModuleList(Head(number) for number in numbers)


@pytest.mark.parametrize('parts, wrong', [
    (dict(rpn_head=Head(1), roi_head=nn.ModuleDict(dict(bbox_head=stages(3, 3, 3), mask_head=Head(3)))), ''),
    (dict(roi_head=nn.ModuleDict(dict(bbox_head=stages(3, 80, 3), mask_head=Head(80)))),
     'model.roi_head.bbox_head.1.num_classes is 80 and model.roi_head.mask_head.num_classes is 80'),
    (dict(bbox_head=Head(80)), 'model.bbox_head.num_classes is 80'),
    (dict(decode_head=Head(3), auxiliary_head=stages(3, 3)), ''),
    (dict(decode_head=Head(3), auxiliary_head=stages(3, 19)), 'model.auxiliary_head.1.num_classes is 19'),
    (dict(decode_head=Head(2, out_channels=1, channels=8)), r'.*num_classes \(with out_channels=1\) is 2')])
def test_all_heads_of_detectors_and_segmentors_are_checked(parts, wrong):
    dataset = loader('a', 'b', 'c').dataset
    run = run_of(dataset, test=dataset, **parts)
    if not wrong:
        CheckClassesHook().before_train(run)
        CheckClassesHook().before_test(run)
        return
    for kind, check in (('training', CheckClassesHook().before_train), ('test', CheckClassesHook().before_test)):
        with pytest.raises(UserError, match=f'{kind} data has 3 classes .a, b, c., but {wrong}.*Set num_classes=3'):
            check(run)


def test_models_with_augmentation_are_checked():

    class Augmented(BaseTTAModel):

        def __init__(self, module):
            nn.Module.__init__(self)
            self.module = module

        def merge_preds(self, data_samples_list):
            return data_samples_list

    run = run_of(None, test=loader('a', 'b').dataset, decode_head=Head(19))
    run.model = Augmented(run.model)
    with pytest.raises(UserError, match='model.decode_head.num_classes is 19'):
        CheckClassesHook().before_test(run)


def test_classes_that_a_text_names_are_not_counted():
    dataset = loader('a', 'b').dataset
    dataset.return_classes = True
    CheckClassesHook().before_train(run_of(dataset, bbox_head=Head(256)))


def test_things_and_stuff_are_not_counted():
    dataset = loader('a', 'b').dataset
    dataset.metainfo['thing_classes'] = ['a']
    CheckClassesHook().before_train(run_of(dataset, bbox_head=Head(1)))


@pytest.fixture
def read_coco(tmp_path):
    from mmdet.datasets import CocoDataset
    folder = CocoFolder(tmp_path)

    def read_coco(*classes, split='train', names=('cat', 'dog'), **metainfo):
        content = folder.read(split)
        content['categories'] = [dict(id=i, name=name) for i, name in enumerate(names)]
        folder.write(split, content)
        return CocoDataset(data_root=f'{tmp_path}/', ann_file=f'{split}.json', data_prefix=dict(img=''), pipeline=[],
                           metainfo=dict(classes=classes, **metainfo) if classes else metainfo)

    return read_coco


@pytest.mark.parametrize('classes, names, message', [
    (('cat', 'dog'), ('cat', 'dog'), ''), (('dog', ), ('cat', 'dog'), ''),
    (('cat', 'dogs'), ('cat', 'dog'), r'no categories of .*train.json: 1 \(dogs\). The file has cat, dog\.'),
    (('dog', 'cat'), ('cat', 'dog'), r'\(dog, cat\) are in another order than .* \(cat, dog\).*in that order'),
    (('cat', 'dog'), ('cat', 'dog', 'dog'), r'more than one category of .*train.json has: 1 \(dog\)')])
@pytest.mark.parametrize('wrap', [
    lambda dataset: dataset, lambda dataset: RepeatDataset(dataset, times=2),
    lambda dataset: ConcatDataset([dataset, dataset])])
def test_classes_are_categories_of_the_annotation_file(read_coco, classes, names, message, wrap):
    run = run_of(wrap(read_coco(*classes, names=names)), bbox_head=Head(len(classes)))
    run.test_dataloader = run.train_dataloader
    for kind, check in (('training', CheckClassesHook().before_train), ('test', CheckClassesHook().before_test)):
        if not message:
            check(run)
            continue
        with pytest.raises(UserError, match=f'{kind} data: .*{message}'):
            check(run)


def test_categories_of_the_validation_are_checked(read_coco):
    run = run_of(read_coco('cat', 'dog'), read_coco('cat', 'dog', split='val', names=('dog', 'cat')),
                 bbox_head=Head(2))
    with pytest.raises(UserError, match='validation data: the classes .* are in another order'):
        CheckClassesHook().before_train(run)


def test_the_key_in_upper_case_is_named(read_coco):
    run = run_of(read_coco(CLASSES=('cat', 'dog')), bbox_head=Head(80))
    with pytest.raises(UserError, match='no categories.*: 78 .*metainfo has CLASSES; the key is read in lower case'):
        CheckClassesHook().before_train(run)
