"""Accuracy among some classes, and against several labels, compared with plain NumPy and mmpretrain's Accuracy."""

import multiprocessing

import numpy as np
import pytest
import torch
import torch.distributed
from mmpretrain.evaluation import Accuracy
from mmpretrain.structures import DataSample

from mmsimmim.errors import UserError
from mmsimmim.evaluation import VariantAccuracy

SUBSET = (1, 4, 5, 8)


@pytest.fixture
def scores():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(200, 10))).softmax(1)


def evaluate(scores, labels, subset=None, metric=None, classes=10, **kwargs):
    metric = metric or VariantAccuracy(**kwargs)
    metric.dataset_meta = dict(classes=range(classes), **({} if subset is None else dict(subset=subset)))
    samples = [DataSample().set_pred_score(score).set_gt_label(label).to_dict()
               for score, label in zip(scores, labels)]
    for start in range(0, len(samples), 7):  # batches, the last of them smaller
        metric.process({}, samples[start:start + 7])
    return metric.evaluate(len(samples))


def test_decides_among_the_classes_of_the_subset(scores):
    labels = np.random.default_rng(1).choice(SUBSET, size=len(scores))
    best = np.array(SUBSET)[scores.numpy()[:, SUBSET].argmax(1)]
    inside = 100 * np.mean(best == labels)
    among_all = 100 * np.mean(scores.numpy().argmax(1) == labels)
    assert inside != among_all  # predictions outside of the subset would count as wrong
    assert evaluate(scores, labels.tolist(), SUBSET) == {'accuracy/top1': pytest.approx(inside)}


def test_any_of_several_labels_is_right(scores):
    generator = np.random.default_rng(2)
    labels = [generator.choice(10, size=generator.integers(1, 5), replace=False).tolist() for _ in scores]
    right = [prediction in known for prediction, known in zip(scores.argmax(1).tolist(), labels)]
    assert 0 < sum(right) < len(right)
    assert evaluate(scores, labels, prefix='imagenet_real') == {
        'imagenet_real/top1': pytest.approx(100 * np.mean(right))}


def test_is_mmpretrains_accuracy_for_one_label_and_all_classes(scores):
    labels = np.random.default_rng(3).integers(10, size=len(scores)).tolist()
    scores[0], scores[1] = float('nan'), 0
    ours = evaluate(scores, labels, topk=(1, 5))
    assert ours == pytest.approx(evaluate(scores, labels, metric=Accuracy(topk=(1, 5))))
    assert ours == pytest.approx(evaluate(scores, labels, subset=tuple(range(10)), topk=(1, 5)))


def test_two_processes_find_the_same(scores, tmp_path):
    """Of 199 images the first is dealt twice, so that both processes have 100; it counts once."""
    labels = np.random.default_rng(4).integers(10, size=199).tolist()
    dealt = [*range(199), 0]
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    processes = [context.Process(target=evaluate_as, args=(rank, f'file://{tmp_path}/store', queue, [
        dict(pred_score=scores[i], gt_label=torch.tensor([labels[i]])) for i in dealt[rank::2]])) for rank in range(2)]
    for process in processes:
        process.start()
    found = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert found == [evaluate(scores[:199], labels)] * 2


def evaluate_as(rank, store, queue, samples):
    torch.distributed.init_process_group('gloo', init_method=store, rank=rank, world_size=2)
    metric = VariantAccuracy()
    metric.dataset_meta = dict(classes=range(10))
    metric.process({}, samples)
    queue.put(metric.evaluate(199))
    torch.distributed.destroy_process_group()


def test_models_that_do_not_fit(scores):
    with pytest.raises(UserError, match='tells 10 classes apart, but the labels of the test set are numbers of 1000'):
        evaluate(scores, [0] * len(scores), classes=1000)
    with pytest.raises(UserError, match='topk=5, but the test set has 4 classes'):
        evaluate(scores, [1] * len(scores), SUBSET, topk=5)
    metric = VariantAccuracy()
    metric.dataset_meta = dict(classes=range(10))
    with pytest.raises(UserError, match='needs the scores of a classifier'):
        metric.process({}, [dict(reconstruction_loss=1.0)])
