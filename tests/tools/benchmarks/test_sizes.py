"""The sweep over sizes of data: a run of each kind at toy size, resuming, and what the tables and fits say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.tools.benchmarks.benchmark_scripts import load_script


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Two classes of photographs, and nuclei with label maps."""
    folder, generator = tmp_path_factory.mktemp('sizes'), np.random.default_rng(0)
    for side, count in (('train', 12), ('validation', 4)):
        for label, low in (('bright', 128), ('dark', 0)):
            (folder / 'photos' / side / label).mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(low, low + 128, (64, 70, 3), np.uint8)
                Image.fromarray(pixels).save(folder / 'photos' / side / label / f'{i}.png')
    for side in ('train', 'val'):
        for kind in ('images', 'labels'):
            (folder / 'nuclei' / kind / side).mkdir(parents=True)
        for i in range(4):
            label = np.zeros((128, 160), np.uint8)
            label[:, 16 * i:80] = 1
            Image.fromarray(label).save(folder / 'nuclei' / 'labels' / side / f'{i}.png')
            Image.fromarray(np.stack([200 * label] * 3, axis=-1)).save(folder / 'nuclei' / 'images' / side / f'{i}.png')
    return {name: folder / name for name in ('photos', 'nuclei')}


@pytest.mark.slow
def test_runs_are_measured_and_kept(roots, tmp_path, monkeypatch):
    sizes, plan = load_script('study.sizes'), load_script('study.sizes_runs')
    photos = plan.Run('toy', plan.PHOTOS, 24, 2, 4, 1e-3)
    runs = [replace(photos, arch='vit', accumulate=2), plan.Run('toy', plan.NUCLEI, 4, 0, 4, 1e-3)]
    sizes.run_all(runs, roots, tmp_path)
    lines = sizes.read_lines(tmp_path)
    assert [line['steps'] for line in lines] == [2, 0]
    assert all(0 < line['held_out_loss'] < 3 and 0 < line['training_loss'] < 3 for line in lines)
    assert all(0 <= line[name] <= 100 for line in lines[:1] for name in ('knn', 'linear', 'crossed'))
    # white bars are told from black ground by any encoder
    assert lines[1]['share_r2'] > 50

    training = load_script('study.sizes_training')
    monkeypatch.setattr(training, 'train_and_measure', lambda *_: pytest.fail('a finished run was run again'))
    with (tmp_path / 'runs.jsonl').open('a') as file:
        file.write('{"part": "cut o')
    sizes.run_all(runs, roots, tmp_path)
    assert sizes.read_lines(tmp_path) == lines


def test_the_sweep_has_no_run_twice():
    plan = load_script('study.sizes_runs')
    runs = plan.all_runs()
    assert len({run.key for run in runs}) == len(runs) > 20
    assert {run.images for run in runs if run.data == plan.PHOTOS} >= {100, 1515}


def test_best_rates_are_those_of_a_parabola():
    report, plan = load_script('study.sizes_report'), load_script('study.sizes_runs')
    lines = []
    for steps, batch in ((200, 32), (800, 32), (800, 128), (3200, 8)):
        best = 8e-4 * (steps / 62_500)**-0.25 * (batch / 2048)**0.4
        for lr in (best / 3, best / 1.2, best * 3):
            run = vars(plan.Run('toy', plan.PHOTOS, 1515, steps, batch, lr))
            held_out = 0.5 + np.log(lr / best)**2 / 10
            lines.append(dict(run, held_out_loss=held_out, training_loss=0.5, crossed=30, knn=20))
    runs = report.Runs(json.loads(json.dumps(lines)))
    found = report.best_rates(runs)
    assert [best['inside'] for best in found] == [True] * 4
    assert found[0]['lr'] == pytest.approx(8e-4 * (200 / 62_500)**-0.25 * (32 / 2048)**0.4)
    assert '| 800 | ' in report.tables(runs)
    ends = report.Runs(runs.lines[1::3] + runs.lines[2::3])
    assert not report.best_rates(ends)[0]['inside'] and 'the last one tried' in report.best_rates_table(ends)
