"""The benchmark of pre-training in detection and segmentation, at the size of a toy."""

import dataclasses
import json
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from tests.tools.benchmarks.benchmark_scripts import load_script

KINDS = ('random', 'SimMIM')


@pytest.fixture(scope='module')
def dense():
    return load_script('transfer.dense_transfer_parts')


@pytest.fixture(scope='module')
def presets():
    return load_script('transfer.dense_transfer_presets').PRESETS


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Bright squares on a dark ground: images, boxes with polygons, label maps."""
    folder = tmp_path_factory.mktemp('data')
    for side, count in dict(train=10, val=3).items():
        images, annotations = [], []
        for kind in ('images', 'labels'):
            (folder / kind / side).mkdir(parents=True)
        for i in range(count):
            draws = np.random.default_rng(100 * i + (side == 'val'))
            image = draws.integers(0, 60, (64, 72, 3), dtype=np.uint8)
            label = np.zeros((64, 72), np.uint8)
            images.append(dict(id=i + 1, file_name=f'{i:02}.png', width=72, height=64))
            for x, y in (8, 8), (40, 12), (24, 44):
                image[y:y + 12, x:x + 12] += 180
                label[y:y + 12, x:x + 12] = 1
                annotations.append(dict(
                    id=len(annotations) + 1, image_id=i + 1, category_id=5, bbox=[x, y, 12, 12], area=144, iscrowd=0,
                    segmentation=[[x, y, x + 12, y, x + 12, y + 12, x, y + 12]]))
            cv2.imwrite(str(folder / 'images' / side / f'{i:02}.png'), image)
            cv2.imwrite(str(folder / 'labels' / side / f'{i:02}.png'), label)
        (folder / f'instances_{side}.json').write_text(json.dumps(dict(
            images=images, annotations=annotations, categories=[dict(id=5, name='square')])))
    return folder


@pytest.fixture(scope='module')
def toy(presets):
    return dataclasses.replace(
        presets['cpu'], arch=dict(embed_dims=8, depths=[1, 1, 1], num_heads=[1, 1, 2]), window_size=4,
        pretrain_size=64, mask_patch_size=16, pretrain_steps=4, pretrain_batch=2, crop_size=48, percents=(30,),
        det_steps=2, det_batch=2, det_width=8, seg_steps=2, seg_batch=2,
        seg_model=dict(decode_head=dict(channels=8), auxiliary_head=None),
        lrs=dict(det=(1e-3,), seg=(1e-3, 1e-2)))


@pytest.fixture(scope='module')
def finished(dense, toy, data, tmp_path_factory):
    """Detection, then segmentation, as two commands one after the other."""
    out = tmp_path_factory.mktemp('out')
    first = dense.Benchmark(toy, data, out, seeds=1).run(['det'])
    return first, dense.Benchmark(toy, data, out, seeds=1).run(['seg']), out


@pytest.mark.slow
def test_all_parts(finished, dense):
    first, results, out = finished
    assert {run['task'] for run in first['training']} == {'det'}
    assert results['images'] == dict(train=10, val=3)
    assert [point['step'] for point in results['pretraining']['losses']] == [1, 2, 3, 4]
    assert [(run['task'], run['start'], run['percent'], run['images']) for run in results['training']] == [
        (task, start, 30, 3) for task in ('det', 'seg') for start in KINDS]
    for run in results['training']:
        assert run['lr'] == dense.best_lr(results['choice'][run['task']][run['start']], run['task'])
        assert run['seed'] == 0
        assert all(0 <= run[measure] <= 100 for measure in dense.MEASURES[run['task']])
    # IoUMetric's percent are not taken for fractions: background alone is 37 to 50 % of two classes
    assert all(run['mIoU'] > 1 for run in results['training'] if run['task'] == 'seg')
    assert json.loads((out / 'results.json').read_text())['training'] == results['training']
    assert (out / 'results.md').read_text() == dense.tables(results)
    assert not list((out / 'training').rglob('*.pth'))


@pytest.mark.slow
def test_what_is_finished_is_not_run_again(finished, dense, toy, data, monkeypatch):
    _, results, out = finished
    rate = dense.best_lr(results['choice']['seg']['SimMIM'], 'seg')
    (out / 'parts' / f"{dense.name_of('seg', 'SimMIM', 30, 0, rate)}.json").unlink()
    trained = []
    real = dense.train
    monkeypatch.setattr(dense, 'train', lambda cfg: trained.append(cfg) or real(cfg))
    again = dense.Benchmark(toy, data, out, seeds=1).run(['det', 'seg'])
    assert len(trained) == 1 and trained[0].model.type == 'EncoderDecoder'
    # the part that was run again has the same result, too
    assert [run | dict(seconds=0) for run in again['training']] == [
        run | dict(seconds=0) for run in results['training']]


class Stop(Hook):
    """Stops a training after its second step and the checkpoint of it."""

    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 1:
            raise InterruptedError


@pytest.mark.slow
def test_an_interrupted_pretraining_goes_on(finished, dense, toy, data, tmp_path, monkeypatch):
    def train_two_steps(cfg):
        runner = Runner.from_cfg(cfg)
        runner.register_hook(Stop())
        runner.train()

    with monkeypatch.context() as patch:
        patch.setattr(dense, 'train', train_two_steps)
        with pytest.raises(InterruptedError):
            dense.Benchmark(toy, data, tmp_path, seeds=1).pretrain()
    assert [path.name for path in (tmp_path / 'pretraining').glob('*.pth')] == ['iter_2.pth']
    losses = dense.Benchmark(toy, data, tmp_path, seeds=1).pretrain()['losses']
    # each point is the mean of all steps of the process so far, so that only weights compare
    assert [point['step'] for point in losses] == [1, 2, 3, 4]
    resumed, whole = (torch.load(folder / 'pretraining' / 'iter_4.pth', weights_only=False)['state_dict']
                      for folder in (tmp_path, finished[2]))
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


@pytest.mark.slow
@pytest.mark.parametrize('task', ['det', 'seg'])
def test_only_one_start_has_the_pretrained_encoder(finished, dense, toy, data, task, monkeypatch):
    *_, out = finished
    models = []

    def build_only(cfg):
        runner = Runner.from_cfg(cfg)
        runner.model.init_weights()
        models.append((runner.model, cfg.optim_wrapper))
        raise InterruptedError

    monkeypatch.setattr(dense, 'train', build_only)
    for start in ('SimMIM', 'random'):
        with pytest.raises(InterruptedError):
            dense.Benchmark(toy, data, out, seeds=1).finetune(task, start, 30, 7, 1e-3)
    saved = torch.load(out / 'pretraining' / 'iter_4.pth', weights_only=False)['state_dict']
    (pretrained, decayed), (untrained, plain) = models
    weights, others = pretrained.backbone.state_dict(), untrained.backbone.state_dict()
    new = {name for name in weights if f'backbone.{name}' not in saved}
    assert {name.split('.')[0] for name in new} == {'norm0', 'norm1'}  # of the maps that pre-training does not use
    assert all(torch.equal(weights[name], saved[f'backbone.{name}']) for name in weights.keys() - new)
    name = 'stages.0.blocks.0.ffn.layers.0.0.weight'
    assert not torch.equal(others[name], saved[f'backbone.{name}'])
    assert decayed.paramwise_cfg.layer_decay_rate == toy.layer_decay and 'layer_decay_rate' not in plain.paramwise_cfg


@pytest.mark.slow
@pytest.mark.parametrize('name', ['cpu', 'gpu'])
def test_sizes_fit_together(dense, presets, data, name, tmp_path):
    """One loss of the pre-training, of the detector and of the segmentor, on batches of the synthetic data."""
    preset = dataclasses.replace(
        presets[name], pretrain_batch=1, det_batch=1, seg_batch=2, crop_size=64, num_workers=0)
    benchmark = dense.Benchmark(preset, data, tmp_path, seeds=1)
    cfgs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, 'train', lambda cfg: cfgs.append(cfg) or 1 / 0)
        for part in (benchmark.pretrain, lambda: benchmark.finetune('det', 'random', 100, 0, 1e-3),
                     lambda: benchmark.finetune('seg', 'random', 100, 0, 1e-3)):
            with pytest.raises(ZeroDivisionError):
                part()
    for cfg, scope in zip(cfgs, ('mmpretrain', 'mmdet', 'mmseg'), strict=True):
        init_default_scope(scope)
        model = MODELS.build(cfg.model)
        batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        assert model.parse_losses(losses)[0].isfinite()
        side = preset.pretrain_size if scope == 'mmpretrain' else preset.crop_size
        images = batch['inputs'] if torch.is_tensor(batch['inputs']) else default_collate(batch['inputs'])
        assert max(images.shape[2:]) <= side


def test_subsets(dense, toy, data, tmp_path):
    benchmark = dense.Benchmark(toy, data, tmp_path, seeds=1)
    state = random.getstate()
    paths = {key: benchmark._subset(*key) for key in [(1, 0), (10, 0), (30, 0), (30, 1), (100, 0)]}
    texts = {key: path.read_text() for key, path in paths.items()}
    assert random.getstate() == state
    for (percent, _), path in paths.items():
        subset = json.loads(path.read_text())
        ids = [image['id'] for image in subset['images']]
        assert len(set(ids)) == len(ids) == max(1, percent // 10)
        assert sorted(a['image_id'] for a in subset['annotations']) == sorted(3 * ids)
        assert subset['categories'] == benchmark.coco['categories']
        names = path.with_suffix('.txt').read_text().split()
        assert names == [Path(image['file_name']).stem for image in subset['images']]
    assert texts[30, 0] != texts[30, 1]
    assert texts[30, 0] == benchmark._subset(30, 0).read_text()
    assert json.loads(texts[100, 0])['annotations'] == benchmark.coco['annotations']


def test_parts_of_other_sizes_are_not_mixed(dense, toy, data, tmp_path):
    dense.Benchmark(toy, data, tmp_path, seeds=1)
    dense.Benchmark(toy, data, tmp_path, seeds=2)
    with pytest.raises(UserError, match='holds parts of other sizes'):
        dense.Benchmark(dataclasses.replace(toy, seg_steps=3), data, tmp_path, seeds=1)


def part(task, start, seed, percent=10, lr=1e-3, **measures):
    return dict(task=task, start=start, percent=percent, seed=seed, lr=lr, **measures)


def test_the_last_measure_chooses_the_rate(dense):
    runs = [part('det', 'random', 0, lr=1e-4, **{'box AP': 30., 'mask AP': 10.}),
            part('det', 'random', 0, lr=1e-3, **{'box AP': 20., 'mask AP': 12.})]
    assert dense.best_lr(runs, 'det') == 1e-3


def test_tables(dense):
    tried = {start: [part('seg', start, 1000, 30, lr, mIoU=mIoU) for lr, mIoU in zip((1e-4, 1e-3, 1e-2), scores)]
             for start, scores in dict(random=(40., 50., 45.), SimMIM=(52., 51., 50.)).items()}
    runs = [part('seg', start, seed, mIoU=mIoU) for start, scores in dict(random=(20., 24.), SimMIM=(30., 30.)).items()
            for seed, mIoU in enumerate(scores)]
    runs.append(part('seg', 'random', 2, mIoU=90.))  # its partner is not there yet
    text = dense.tables(dict(
        preset=dict(percents=[10, 100]), choice=dict(seg=tried), training=runs,
        pretraining=dict(losses=[dict(step=5, loss=0.25)])))
    assert text.splitlines() == [
        'UPerNet', '',
        '| labels | measure | random | SimMIM | difference | seed by seed |', '| --- | --- | --- | --- | --- | --- |',
        '| 10 % | mIoU | 22.0 ± 2.8 | 30.0 ± 0.0 | +8.0 ± 2.8 | +10.0, +6.0 |', '',
        '| learning rate (mIoU) | 0.0001 | 0.001 | 0.01 |', '| --- | --- | --- | --- |',
        '| random | 40.0 | **50.0** | 45.0 |', '| SimMIM | **52.0** | 51.0 | 50.0 |', '',
        'The list of learning rates ends at the best one: SimMIM.', '',
        '| steps of pre-training | loss |', '| --- | --- |', '| 5 | 0.2500 |']


@pytest.mark.parametrize('missing', ['images/val', 'labels/train', 'instances_val.json'])
def test_data_that_are_not_there(dense, toy, data, missing, tmp_path, monkeypatch):
    for name in ('images/train', 'images/val', 'labels/train', 'labels/val', 'instances_train.json',
                 'instances_val.json'):
        if name != missing:
            path = tmp_path / 'data' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(data / name)
    with pytest.raises(UserError, match=f'{missing} is not there'):
        dense.Benchmark(toy, tmp_path / 'data', tmp_path / 'out', seeds=1)
    monkeypatch.setattr('sys.argv', ['dense_transfer.py', str(tmp_path / 'data'), '--out', str(tmp_path / 'out')])
    with pytest.raises(SystemExit, match=f'{missing} is not there'):
        load_script('transfer.dense_transfer').main()


def test_images_of_several_kinds_are_refused(dense, toy, data, tmp_path):
    benchmark = dense.Benchmark(toy, data, tmp_path, seeds=1)
    benchmark.coco = dict(images=[dict(file_name='a.png'), dict(file_name='b.jpg')])
    with pytest.raises(UserError, match=r'images end in \.jpg, \.png'):
        benchmark._suffix()
