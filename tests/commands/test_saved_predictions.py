"""tools/test.py on a detector and a segmentor: predictions as files and as pictures."""

import json
import os
import pickle
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.visualization import Visualizer
from PIL import Image

from mmsimmim.registry import MODELS
from tests.commands.conftest import REPO
from tests.datasets.checks.synthetic import CocoFolder, PairFolder

SCOPES = dict(tiny_detector='mmdet', tiny_segmentor='mmseg')


class Setting:
    """A tiny model with random weights and the data to test it on."""

    def __init__(self, name, folder, root):
        self.config, self.checkpoint, self.root = REPO / 'tests' / 'commands' / f'{name}.py', root / 'model.pth', root
        self.data = folder(root / 'data')
        self.options = [f'data_root={root}/data']
        if name == 'tiny_detector':
            self.options.append(f'test_evaluator.ann_file={root}/data/train.json')
        cfg = Config.fromfile(self.config)
        init_default_scope(SCOPES[name])
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        torch.save(dict(state_dict=model.state_dict(), meta={}), self.checkpoint)

    def command(self, *arguments, options=()):
        return ['test.py', self.config, self.checkpoint, *arguments, '--work-dir', self.root / 'work', '--cfg-options',
                *self.options, *options]


@pytest.fixture
def detector(tmp_path):
    (tmp_path / 'data').mkdir()
    yield Setting('tiny_detector', CocoFolder, tmp_path)
    DefaultScope._instance_dict.clear()


@pytest.fixture
def segmentor(tmp_path):
    yield Setting('tiny_segmentor', PairFolder, tmp_path)
    DefaultScope._instance_dict.clear()


@pytest.fixture
def run(monkeypatch):
    """A function that runs test.py in this process."""

    def run(setting, *arguments, options=()):
        # What a process of its own would not find.
        DefaultScope._instance_dict.clear()
        for kind in Visualizer.__subclasses__():
            kind._instance_dict.clear()
        command = setting.command(*arguments, options=options)
        monkeypatch.setattr(sys, 'argv', [str(word) for word in command])
        runpy.run_path(str(REPO / 'tools' / 'test.py'), run_name='__main__')

    return run


def read(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


def test_detections_are_saved_as_coco_json(run, detector, tmp_path):
    from pycocotools import mask
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    run(detector, '--save-predictions', tmp_path / 'saved', '--out', tmp_path / 'all.pkl')
    assert sorted(os.listdir(tmp_path / 'saved')) == ['predictions.bbox.json', 'predictions.segm.json']
    boxes, masks = (json.loads((tmp_path / 'saved' / f'predictions.{kind}.json').read_text())
                    for kind in ('bbox', 'segm'))
    samples = pickle.loads((tmp_path / 'all.pkl').read_bytes())
    expected = [(sample['img_id'], [3, 7][label], score.item(), box.tolist(), runs['counts'])
                for sample in samples for box, label, score, runs in zip(*(
                    sample['pred_instances'][key] for key in ('bboxes', 'labels', 'scores', 'masks')))]
    assert len(boxes) == len(masks) == len(expected) >= 12
    for (image, category, score, (left, top, right, bottom), counts), box, one in zip(expected, boxes, masks):
        assert (box['image_id'], box['category_id']) == (one['image_id'], one['category_id']) == (image, category)
        assert box['score'] == pytest.approx(score) and one['segmentation']['counts'] == counts.decode()
        assert box['bbox'] == pytest.approx([left, top, right - left, bottom - top], abs=1e-4)
        assert mask.decode(one['segmentation']).shape == (30, 40)
    run(detector, '--save-predictions', tmp_path / 'saved', '--out', tmp_path / 'metrics.json')
    truth = COCO(str(tmp_path / 'data' / 'train.json'))
    scores = COCOeval(truth, truth.loadRes(str(tmp_path / 'saved' / 'predictions.bbox.json')), 'bbox')
    scores.params.maxDets = [100, 300, 1000]
    scores.evaluate()
    scores.accumulate()
    precision = scores.eval['precision'][:, :, :, 0, -1]
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['coco/bbox_mAP'] == pytest.approx(precision[precision > -1].mean(), abs=5e-4)


@pytest.mark.parametrize('reduce', [False, True])
@pytest.mark.parametrize('augmented', [False, True])
def test_segmentations_are_saved_with_the_values_of_the_labels(run, segmentor, tmp_path, reduce, augmented):
    labels = segmentor.data.labels()
    values = np.where(labels < 255, labels + 1, 0).astype(np.uint8) if reduce else labels
    for i in range(4):
        segmentor.data.write(f'train/{i}.png', values)
    run(segmentor, '--save-predictions', tmp_path / 'saved', '--out', tmp_path / 'metrics.json',
        *(['--tta'] if augmented else []), options=[f'test_dataloader.dataset.reduce_zero_label={reduce}'])
    saved = read(tmp_path / 'saved')
    assert list(saved) == [f'{i}.png' for i in range(4)] and all(one.dtype == np.uint8 for one in saved.values())
    found = np.stack(list(saved.values())).astype(int) - reduce
    assert found.min() >= 0 and found.max() <= 2 and len(np.unique(found)) > 1
    known = np.broadcast_to(labels != 255, found.shape)
    truth = np.broadcast_to(labels, found.shape)
    shares = [((found == i) & (truth == i) & known).sum() / (((found == i) | (truth == i)) & known).sum()
              for i in range(3)]
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['mIoU'] == pytest.approx(100 * np.mean(shares), abs=0.006)


def test_detections_without_annotations(run, detector, tmp_path):
    content = detector.data.read('train')
    del content['annotations']
    detector.data.write('train', content)
    run(detector, '--save-predictions', tmp_path / 'saved', options=['test_evaluator.format_only=True'])
    boxes = json.loads((tmp_path / 'saved' / 'predictions.bbox.json').read_text())
    assert {box['image_id'] for box in boxes} == {0, 1, 2, 3}


def test_segmentations_without_label_maps(run, segmentor, tmp_path):
    run(segmentor, '--save-predictions', tmp_path / 'with')
    for path in (tmp_path / 'data' / 'labels' / 'train').iterdir():
        path.unlink()
    cfg = Config.fromfile(segmentor.config)
    cfg.test_dataloader.dataset.pipeline.pop(1)
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'data')
    cfg.test_evaluator.format_only = True
    cfg.dump(tmp_path / 'config.py')
    segmentor.config = tmp_path / 'config.py'
    run(segmentor, '--save-predictions', tmp_path / 'without')
    with_labels, without = read(tmp_path / 'with'), read(tmp_path / 'without')
    assert with_labels.keys() == without.keys()
    assert all((with_labels[name] == without[name]).all() for name in without)


def test_images_of_one_name_are_refused(run, segmentor, tmp_path):
    for kind, ending in (('images', 'jpg'), ('labels', 'png')):
        folder = tmp_path / 'data' / kind / 'train'
        (folder / 'more').mkdir()
        (folder / f'0.{ending}').rename(folder / 'more' / f'1.{ending}')
    with pytest.raises(SystemExit, match='2 share their name .*/1.jpg, .*/1.jpg'):
        run(segmentor, '--save-predictions', tmp_path / 'saved')


def forget_visualizers(kind):
    """MMEngine gives out that of an earlier run in this process again."""
    kind._instance_dict.clear()
    for derived in kind.__subclasses__():
        forget_visualizers(derived)


@pytest.mark.parametrize('setting', ['detector', 'segmentor'])
def test_pictures(run, setting, tmp_path, request, monkeypatch):
    setting = request.getfixturevalue(setting)
    forget_visualizers(Visualizer)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(REPO))
    run(setting, '--show-dir', 'pictures')
    pictures = [path for path in (tmp_path / 'pictures').rglob('*') if path.suffix in ('.jpg', '.png')]
    assert len(pictures) == 4
    originals = [path for path in (tmp_path / 'data').rglob('train/*.*') if 'labels' not in str(path)]
    for path in pictures:
        drawn = np.asarray(Image.open(path).convert('RGB'), dtype=float)
        original = next(Image.open(one) for one in originals if one.stem == path.name[5 * path.name.startswith(
            'test_'):].split('.')[0])
        assert drawn.shape[1] == original.width * 2  # labels to the left, predictions to the right
        assert np.abs(drawn[:, original.width:] - np.asarray(original, dtype=float)).max() > 60


@pytest.mark.parametrize('setting, classes, message', [
    ('detector', '[cat,dogs]', r'test data: classes of the config that are no categories .*: 1 .dogs'),
    ('segmentor', '[ground,car]', 'model.decode_head.num_classes is 3. Set num_classes=2 there')])
def test_other_classes_are_refused(run, setting, classes, message, request):
    with pytest.raises(SystemExit, match=message):
        run(request.getfixturevalue(setting), options=[f'test_dataloader.dataset.metainfo.classes="{classes}"'])


@pytest.mark.slow
@pytest.mark.parametrize('setting, port', [('detector', '29641'), ('segmentor', '29642')])
def test_two_processes_save_the_same(run, setting, port, tmp_path, request):
    setting = request.getfixturevalue(setting)
    run(setting, '--save-predictions', tmp_path / 'one')
    _, *arguments = map(str, setting.command(2, '--save-predictions', tmp_path / 'two'))
    process = subprocess.run(
        ['tools/dist_test.sh', *arguments], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=600, env={**os.environ, 'PYTHON': sys.executable, 'OMP_NUM_THREADS': '1', 'PORT': port})
    assert process.returncode == 0, process.stdout
    assert sorted(os.listdir(tmp_path / 'one')) == sorted(os.listdir(tmp_path / 'two'))
    if setting.config.stem == 'tiny_segmentor':
        one, two = read(tmp_path / 'one'), read(tmp_path / 'two')
        assert all((one[name] == two[name]).mean() > 0.999 for name in one)
        return
    one, two = (json.loads((tmp_path / name / 'predictions.bbox.json').read_text()) for name in ('one', 'two'))
    assert [box['image_id'] for box in one] == [box['image_id'] for box in two]
    # Random weights make much of rounding.
    np.testing.assert_allclose([box['score'] for box in one], [box['score'] for box in two], atol=1e-2)
