"""Probes of frozen features during training."""

import json
import os
import random
import subprocess
import sys
import uuid
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmsimmim.commands.common.distributed import connect_on_cpu, ending_connection
from mmsimmim.datasets.transforms import LoadImage
from mmsimmim.errors import UserError
from mmsimmim.evaluation import fit_linear_probe, knn_classify
from mmsimmim.registry import MODELS
from tests.visualization.tiny import tiny_config, write_picture

REPO = Path(__file__).resolve().parents[3]
CLASSES = ('dark', 'light', 'middle')


class Notes(Hook):
    """Notes before each iteration the modes, and one number from each generator."""

    priority = 'LOWEST'

    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append((all(module.training for module in runner.model.modules()), random.random(), np.random.rand(),
                          torch.rand(1).item()))


@pytest.fixture
def cfg(tmp_path):
    return make_config(tmp_path)


def make_config(folder):
    """Train on labelled pictures, 4 of a class, and validate on 3, 2 and 2."""
    for side, counts in dict(train=(4, 4, 4), val=(3, 2, 2)).items():
        for name, count in zip(CLASSES, counts):
            for i in range(count):
                seed = 10 * CLASSES.index(name) + i + 100 * (side == 'val')
                write_picture(folder / side / name / f'{i}.png', seed=seed)
    config = tiny_config(folder / 'train')
    config.work_dir = str(folder / 'work')
    config.optim_wrapper.optimizer.lr = 1e-4
    config.custom_hooks = [dict(type='mmsimmim.FeatureProbeHook', train=str(folder / 'train'), val=str(folder / 'val'),
                                interval=2, k=5)]
    return config


def train(cfg, hook=None):
    """Train with the config's hook, changed by ``hook``, or without any for ``hook=False``."""
    cfg = Config(cfg.to_dict())
    cfg.experiment_name = uuid.uuid4().hex
    if hook is False:
        cfg.custom_hooks = []
    else:
        cfg.custom_hooks[0].update(hook or {})
    random.seed(0)
    notes = Notes()
    runner = Runner.from_cfg(cfg)
    runner.register_hook(notes)
    runner.train()
    runner.visualizer.close()
    return runner, notes.seen


def scores(runner):
    lines = (Path(runner.log_dir) / 'vis_data' / 'scalars.json').read_text().splitlines()
    return {line['step']: (line['probe/knn'], line['probe/linear']) for line in map(json.loads, lines)
            if 'probe/knn' in line}


def expected_scores(runner, folder, k=5):
    """From the weights as they are: one image after the other, and the functions that have their own tests."""
    model = runner.model.eval()
    sets = []
    for side in ('train', 'val'):
        features, labels = [], []
        for path in sorted((folder / side).glob('*/*.png')):
            image = LoadImage()(dict(img_path=str(path)))['img']
            image = torch.from_numpy(cv2.resize(image, (64, 64))).permute(2, 0, 1)[None]
            data = model.data_preprocessor(dict(inputs=image, data_samples=None), False)
            with torch.no_grad():
                features.append(model.backbone(data['inputs'])[-1].mean(dim=(2, 3)))
            labels.append(CLASSES.index(path.parent.name))
        sets.append((torch.cat(features), torch.tensor(labels)))
    (features, labels), (val_features, val_labels) = sets
    predictions = (knn_classify(features, labels, val_features, k),
                   fit_linear_probe(features, labels, 3).classify(val_features))
    return tuple(100 * (found == val_labels).double().mean().item() for found in predictions)


def test_scores_are_those_of_the_weights(cfg, tmp_path):
    runner, _ = train(cfg)
    found = scores(runner)
    assert list(found) == [2, 3]  # at the interval, and at the end
    assert found[3] == pytest.approx(expected_scores(runner, tmp_path))
    assert runner.message_hub.get_scalar('probe/knn').current() == found[3][0]
    assert runner.message_hub.get_scalar('probe/linear').current() == found[3][1]
    assert f'after 3 epochs: {found[3][0]:.2f} % by 5 nearest neighbours' in Path(
        runner.log_dir, f'{runner.timestamp}.log').read_text()


def test_a_dataset_without_a_pipeline_is_read_as_the_validation_set(cfg, tmp_path):
    sides = {side: dict(type='mmsimmim.LabelledImageFolder', data_root=str(tmp_path / side))
             for side in ('train', 'val')}
    runner, _ = train(cfg, sides)
    assert scores(runner)[3] == pytest.approx(expected_scores(runner, tmp_path))


def test_at_start_and_by_iterations(cfg, tmp_path):
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=5, val_interval=5)
    runner, _ = train(cfg, dict(by_epoch=False, at_start=True))
    assert list(scores(runner)) == [0, 2, 4, 5]
    untrained = Runner.from_cfg(Config(dict(cfg, custom_hooks=[], experiment_name=uuid.uuid4().hex)))
    untrained.model.init_weights()
    assert scores(runner)[0] == pytest.approx(expected_scores(untrained, tmp_path))


def test_training_is_the_same_bit_for_bit(cfg):
    # drop path and crops draw random numbers; the pipeline of the probes here does, too
    mirrored = [dict(type='mmsimmim.LoadImage'), dict(type='RandomResizedCrop', scale=64),
                dict(type='RandomFlip', prob=0.5), dict(type='PackInputs')]
    without, seen = train(cfg, hook=False)
    probed, seen_probed = train(cfg, dict(interval=1, at_start=True, pipeline=mirrored))
    assert len(scores(probed)) == 4
    assert seen == seen_probed
    assert all(training for training, *_ in seen)
    for (name, weight), other in zip(without.model.state_dict().items(), probed.model.state_dict().values()):
        assert torch.equal(weight, other), name
    for state, other in zip(without.optim_wrapper.state_dict()['state'].values(),
                            probed.optim_wrapper.state_dict()['state'].values()):
        assert torch.equal(state['exp_avg_sq'], other['exp_avg_sq'])


def test_data_sets_and_other_stages(cfg, tmp_path):
    cfg.model.backbone.out_indices = (1, 3)
    pipeline = [dict(type='mmsimmim.SeedSample'), dict(type='mmsimmim.LoadImage'), dict(type='Resize', scale=(64, 64)),
                dict(type='PackInputs')]
    sets = {side: dict(type='CustomDataset', data_root=str(tmp_path / side), pipeline=pipeline)
            for side in ('train', 'val')}
    runner, _ = train(cfg, dict(out_index=0, **sets))
    runner.model.backbone.out_indices = (1, )
    assert scores(runner)[3] == pytest.approx(expected_scores(runner, tmp_path))


@pytest.mark.slow
def test_two_processes_measure_what_one_does(tmp_path):
    """The sizes of the sets, 12 and 7, are such that one process gets an image twice."""
    subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m',
         'tests.engine.hooks.test_feature_probe', str(tmp_path)],
        cwd=REPO, check=True, timeout=120, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    shares = [json.loads((tmp_path / f'{rank}.json').read_text()) for rank in (0, 1)]
    assert shares[0] == shares[1]
    cfg = make_config(tmp_path)
    init_default_scope('mmpretrain')
    model = MODELS.build(dict(cfg.model, data_preprocessor=dict(cfg.data_preprocessor)))
    model.load_state_dict(torch.load(tmp_path / 'weights.pth', weights_only=True))
    runner = type('Trained', (), dict(model=model))
    assert (shares[0]['probe/knn'], shares[0]['probe/linear']) == pytest.approx(expected_scores(runner, tmp_path))


@ending_connection()
def main(folder):
    """One of the two processes."""
    rank = int(os.environ['RANK'])
    torch.distributed.init_process_group('gloo')
    if rank == 0:
        make_config(folder)
    torch.distributed.barrier()
    cfg = make_config(folder)
    cfg.launcher, cfg.env_cfg = 'pytorch', dict(dist_cfg=dict(backend='gloo'))
    connect_on_cpu(cfg)
    cfg.train_cfg.max_epochs = 2
    runner, _ = train(cfg)
    assert type(runner.model).__name__ == 'MMDistributedDataParallel'
    found = {name: runner.message_hub.get_scalar(name).current() for name in ('probe/knn', 'probe/linear')}
    (folder / f'{rank}.json').write_text(json.dumps(found))
    if rank == 0:
        torch.save(runner.model.module.state_dict(), folder / 'weights.pth')


@pytest.mark.parametrize('hook, message', [
    (dict(interval=0), 'interval must be at least 1, got 0'),
    (dict(k=0), 'k must be at least 1'),
    (dict(temperature=0), 'temperature must be above 0'),
    (dict(weight_decay=-1.), 'weight_decay must be above 0'),
    (dict(train='nowhere'), "train='nowhere' is no folder"),
    (dict(k=13), "13 neighbours are asked for, but 'train' has 12 images: set k to 12"),
])
def test_readable_errors(cfg, hook, message):
    with pytest.raises(UserError, match=message):
        train(cfg, hook)


def empty_class(folder):
    for side in ('train', 'val'):
        (folder / side / 'strange').mkdir()
        (folder / side / '.hidden').mkdir()


def one_class(folder):
    for name in CLASSES[1:]:
        (folder / 'train' / name).rename(folder / name)


def other_classes(folder):
    (folder / 'val' / 'light').rename(folder / 'val' / 'bright')


def class_missing(folder):
    (folder / 'val' / 'light').rename(folder / 'light')


@pytest.mark.parametrize('damage, message', [
    (empty_class, 'train=.* has classes without images: strange. Remove'),
    (one_class, r'train=.* has 1 folder\(s\) of classes'),
    (other_classes, r"only in 'train': \['light'\], only in 'val': \['bright'\]"),
    (class_missing, r"only in 'train': \['light'\], only in 'val': \[\]"),
])
def test_folders_that_will_not_do(cfg, tmp_path, damage, message):
    damage(tmp_path)
    with pytest.raises(UserError, match=message):
        train(cfg)


def test_data_sets_that_will_not_do(cfg, tmp_path):
    lists = dict(one='dark/0.png 0\ndark/1.png 0\n', two='dark/0.png 0\nlight/0.png 1\n', three='dark/0.png 2\n')
    for name, text in lists.items():
        (tmp_path / name).write_text(text)

    def listed(name):
        return dict(type='CustomDataset', data_root=str(tmp_path / 'train'), ann_file=str(tmp_path / name),
                    pipeline=cfg.val_dataloader.dataset.pipeline)

    with pytest.raises(UserError, match=r"'train' have one label, \[0\]"):
        train(cfg, dict(train=listed('one'), val=listed('two'), k=1))
    with pytest.raises(UserError, match=r"'val' has the labels \[2\], of which 'train' has no image"):
        train(cfg, dict(train=listed('two'), val=listed('three'), k=1))


def test_no_pipeline(cfg):
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    with pytest.raises(UserError, match='no val_dataloader with a pipeline'):
        train(cfg)


def test_epochs_of_a_loop_that_counts_iterations(cfg):
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=5, val_interval=5)
    with pytest.raises(UserError, match='set by_epoch=False'):
        train(cfg)


def test_other_models(cfg):
    init_default_scope('mmpretrain')
    cfg.pop('data_preprocessor')
    cfg.model = dict(type='ImageClassifier', backbone=cfg.model.backbone,
                     head=dict(type='LinearClsHead', num_classes=3, in_channels=64))
    with pytest.raises(UserError, match='the encoder of mmsimmim.SimMIM; this model is a mmpretrain.*Classifier'):
        train(cfg)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
