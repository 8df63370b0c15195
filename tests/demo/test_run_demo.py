"""The parts of ``make demo`` that decide whether it succeeds."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import mmsimmim  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def run_demo():
    sys.path.insert(0, str(ROOT / 'demo'))
    try:
        spec = importlib.util.spec_from_file_location('run_demo', ROOT / 'demo/run_demo.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(ROOT / 'demo'))


def loss_rows(run_demo, data, pretrained, *baselines):
    rows = [run_demo.row(data, run_demo.MASKED_LOSS, f'baseline {i}', value) for i, value in enumerate(baselines)]
    return [run_demo.row(data, run_demo.MASKED_LOSS, run_demo.PRETRAINED, pretrained), *rows]


def test_pretraining_must_clearly_beat_every_baseline_on_all_data(run_demo):
    good = loss_rows(run_demo, 'aerial', 0.4, 0.9, 0.6)
    assert run_demo.beats_baselines(good)
    assert not run_demo.beats_baselines(loss_rows(run_demo, 'aerial', 0.55, 0.9, 0.6))
    assert not run_demo.beats_baselines(loss_rows(run_demo, 'aerial', float('nan'), 0.9, 0.6))
    assert not run_demo.beats_baselines([*good, *loss_rows(run_demo, 'nuclei', 0.4, 0.3)])


def test_progress_is_read_from_the_log(run_demo):
    line = ('11/23 15:28:42 - mmengine - INFO - Iter(train) [ 50/200]  base_lr: 1.8e-03 lr: 1.8e-03  eta: 0:03:51  '
            'time: 0.7470  data_time: 0.0998  grad_norm: 0.3601  loss: 0.4694')
    assert run_demo.PROGRESS.search(line).groups() == ('50', '200', '0:03:51', '0.4694')


def test_last_logged_value(run_demo, tmp_path):
    for name, values in (('1', [0.1, 0.2]), ('2', [0.3])):
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text('\n'.join(json.dumps(dict(mIoU=value)) for value in values) + '\n')
    assert run_demo.last_value(tmp_path, 'mIoU') == 0.3
    with pytest.raises(SystemExit, match='coco/bbox_mAP'):
        run_demo.last_value(tmp_path, 'coco/bbox_mAP')


def test_visible_mean_ignores_what_is_masked(run_demo):
    from held_out import visible_mean
    images = torch.zeros(1, 3, 8, 8)
    images[..., :4] = 2.0
    images[..., 4:] = 100.0
    mask = torch.zeros(1, 2, 2, dtype=torch.uint8)
    mask[..., 1] = 1
    assert torch.equal(visible_mean(images, mask), torch.full((1, 3, 8, 8), 2.0))


def test_demo_configs_train_the_same_network(run_demo):
    configs = {name: Config.fromfile(str(ROOT / path)) for name, path in run_demo.CONFIGS.items()}
    archs = [dict(cfg.model.backbone.arch) for cfg in configs.values()]
    assert all(arch == archs[0] for arch in archs)
    for cfg in configs.values():
        assert cfg.default_hooks.checkpoint.interval == cfg.train_cfg.max_iters == cfg.train_cfg.val_interval
