"""tools/test.py --test-sets: one classifier on several sets, against a plain reference."""

import json
import runpy
import sys
from types import SimpleNamespace

import cv2
import mmengine
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmsimmim.datasets.imagenet.wnids import WNIDS
from mmsimmim.registry import MODELS
from tests.commands.conftest import REPO

CONFIG = REPO / 'tests' / 'commands' / 'tiny_classifier.py'
NUM_IMAGES, NUM_CLASSES = 300, 200


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    """A checkpoint, images, and what plain code says of them: scores of all classes, shape (300, 1000)."""
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model).eval()
    model.init_weights()
    path = tmp_path_factory.mktemp('classifier') / 'model.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    coarse = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, 3, 3, 3), dtype=np.uint8)
    images = [cv2.resize(image, (36, 36), interpolation=cv2.INTER_CUBIC) for image in coarse]
    preprocessor = Config.fromfile(CONFIG).model.data_preprocessor
    pixels = np.stack(images)[:, 2:34, 2:34, ::-1].astype(np.float32)
    inputs = torch.from_numpy((pixels - preprocessor.mean) / preprocessor.std).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        scores = model.head(model.extract_feat(inputs)).numpy()
    return SimpleNamespace(path=path, images=images, scores=scores)


@pytest.fixture(scope='module')
def sets(classifier, tmp_path_factory):
    """A set of 200 classes that are nobody's first choice, and validation images; with the expected accuracies."""
    root = tmp_path_factory.mktemp('sets')
    first = classifier.scores.argmax(1)
    subset = np.setdiff1d(np.arange(1000), first)[-NUM_CLASSES:]
    best = subset[classifier.scores[:, subset].argmax(1)]
    labels = np.concatenate([subset, best[NUM_CLASSES:]])  # each class once; the rest right
    for number, (image, label) in enumerate(zip(classifier.images, labels)):
        folder = root / 'imagenet-a' / WNIDS[label]
        folder.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / f'{number}.png'), image)
    real = [[int(first[i]), 5] if i % 3 == 0 else [] if i % 3 == 1 else [int(first[i] + 1) % 1000] for i in range(20)]
    (root / 'imagenet' / 'val').mkdir(parents=True)
    for number, image in enumerate(classifier.images[:20], start=1):
        assert cv2.imwrite(str(root / 'imagenet' / 'val' / f'ILSVRC2012_val_{number:08d}.png'), image)
    (root / 'imagenet' / 'real.json').write_text(json.dumps(real + [[0]] * 49_980))
    right_a, right_real = best == labels, [first[i] in known for i, known in enumerate(real) if known]
    assert not (first == labels).any() and 0 < sum(right_a) < NUM_IMAGES and len(right_real) == 13
    return SimpleNamespace(root=root, expected={'imagenet_a/top1': pytest.approx(100 * np.mean(right_a)),
                                                'imagenet_real/top1': pytest.approx(100 * np.mean(right_real))})


@pytest.fixture
def run(monkeypatch, classifier, tmp_path):
    """A function that runs test.py in this process."""

    def run(*arguments, checkpoint=classifier.path):
        monkeypatch.setattr(sys, 'argv', ['test.py', str(CONFIG), str(checkpoint), *map(str, arguments),
                                          '--work-dir', str(tmp_path)])
        runpy.run_path(str(REPO / 'tools' / 'test.py'), run_name='__main__')

    return run


def test_several_sets_at_the_image_size_of_the_model(run, sets, tmp_path):
    run('--test-sets', f'imagenet_a={sets.root}/imagenet-a', f'imagenet_real={sets.root}/imagenet',
        '--out', tmp_path / 'metrics.json')
    assert json.loads((tmp_path / 'metrics.json').read_text()) == sets.expected
    log = next(tmp_path.glob('*/*.log')).read_text()
    top1 = sets.expected['imagenet_a/top1'].expected
    assert f'Results:\n     300 images  imagenet_a/top1: {top1:.2f}\n      13 images  imagenet_real/top1: ' in log
    assert 'has 300 images, but the published set has 7500' in log


def test_one_set_and_its_predictions(run, sets, tmp_path):
    run('--test-sets', 'imagenet_a', '--out', tmp_path / 'predictions.pkl',
        '--cfg-options', f'test_dataloader.dataset.data_root={sets.root}/imagenet-a', 'test_dataloader.batch_size=10')
    predictions = mmengine.load(tmp_path / 'predictions.pkl')
    assert len(predictions) == NUM_IMAGES and len(predictions[0]['pred_score']) == 1000
    assert f'imagenet_a/top1: {sets.expected["imagenet_a/top1"].expected:.4f}' in next(
        tmp_path.glob('*/*.log')).read_text()


@pytest.mark.parametrize('arguments, message', [
    (['imagenet_b'], 'There are imagenet, imagenet_a, imagenet_r, imagenet_real, imagenet_sketch, imagenet_v2, and'),
    (['none.py'], 'none.py does not exist'),
    (['imagenet_a=/none'], "The folder '/none' does not exist"),
    (['imagenet_a={a}', 'imagenet_r=/none'], "The folder '/none' does not exist"),
    (['imagenet_v2={a}'], '200 folders of classes, not in 1000'),
    (['imagenet_a={a}', 'imagenet_a={a}'], "Two test sets have metrics with the prefix 'imagenet_a'"),
    (['configs/_base_/cls_runtime.py'], 'cls_runtime.py does not set test_dataloader, test_evaluator'),
    (['imagenet_a={a}', 'imagenet_v2', '--out', 'x.pkl'], 'one test set at a time'),
    (['imagenet_a={a}', '--cfg-options', 'model.head.num_classes=10'], 'The checkpoint is not one of the model')])
def test_mistakes(run, sets, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(REPO)
    with pytest.raises(SystemExit) as caught:
        run('--test-sets', *(argument.format(a=sets.root / 'imagenet-a') for argument in arguments))
    output = capsys.readouterr()
    assert message in f'{caught.value.code} {output.err}' and 'top1:' not in output.out + output.err


def test_a_classifier_of_other_classes(run, sets, classifier, tmp_path):
    weights = torch.load(classifier.path, weights_only=True)['state_dict']
    for name in ('head.fc.weight', 'head.fc.bias'):
        weights[name] = weights[name][:10].clone()
    torch.save(dict(state_dict=weights, meta={}), tmp_path / 'ten.pth')
    with pytest.raises(SystemExit, match=r'test data has 1000 classes .* but model.head.num_classes is 10'):
        run('--test-sets', f'imagenet_a={sets.root}/imagenet-a', '--cfg-options', 'model.head.num_classes=10',
            'model.data_preprocessor.num_classes=10', checkpoint=tmp_path / 'ten.pth')
