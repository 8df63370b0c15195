"""Training curves, of real runs and of logs written here."""

import csv
import json
import re
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from mmengine.runner import Runner
from PIL import Image

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.commands import plot_curves
from mmsimmim.errors import UserError
from tests.visualization.tiny import tiny_config, write_picture


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """A function that runs the tool in an empty folder and returns (error or None, printed lines, error stream)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        error = None
        try:
            plot_curves.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            error = str(stop)
        printed = capsys.readouterr()
        return error, printed.out.splitlines(), printed.err

    return run


def write_log(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    return path


def steps(first, last, interval, of_epoch=None, offset=0.):
    """Lines of training whose loss is the iteration, plus an offset."""
    return [dict(loss=i + offset, iter=i, step=i, **(dict(epoch=1 + (i - 1) // of_epoch) if of_epoch else {}))
            for i in range(first, last + 1, interval)]


def numbers(file='out.csv', value='value'):
    """(label, key) -> [(x, value)] of a CSV file."""
    curves = {}
    with open(file) as opened:
        for row in csv.DictReader(opened):
            x = row.get('iter') or row['epoch']
            curves.setdefault((row['label'], row['key']), []).append((float(x), float(row[value])))
    return curves


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """Two epochs of two steps and, resumed, two more, each with a validation and a probe."""
    folder = tmp_path_factory.mktemp('plot_curves')
    for seed in range(4):
        write_picture(folder / 'images' / f'{seed % 2}' / f'{seed}.png', seed=seed)
    for epochs, name in ((2, '20200101_000000'), (4, '20200101_000001')):
        cfg = tiny_config(folder / 'images')
        cfg.work_dir, cfg.experiment_name = str(folder / 'work'), f'plot_curves_{epochs}'
        cfg.train_cfg.update(max_epochs=epochs, val_interval=1)
        cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook'), logger=dict(type='LoggerHook', interval=1))
        cfg.custom_hooks = [dict(type='mmsimmim.FeatureProbeHook', train=str(folder / 'images'), interval=1, k=1,
                                 val=str(folder / 'images'), at_start=True)]
        cfg.resume = epochs > 2
        runner = Runner.from_cfg(cfg)
        runner.train()
        Path(runner.log_dir).rename(folder / 'work' / name)  # a second may hold both
    return folder / 'work'


def test_a_real_run_that_was_resumed(run, work_dir):
    keys = ['loss', 'reconstruction/masked_loss', 'probe/knn', 'lr']
    error, lines, notes = run(work_dir, '--keys', *keys, '--csv', 'out.csv', '--out', 'out.png')
    assert (error, lines, notes) == (None, ['out.png', 'out.csv'], '')
    logged = [json.loads(line) for log in sorted(work_dir.glob('*/vis_data/scalars.json')) for line in open(log)]
    expected = {key: [row[key] for row in logged if key in row] for key in keys}
    assert [len(expected[key]) for key in keys] == [8, 4, 5, 8]
    curves = numbers()
    assert list(curves) == [('work', key) for key in keys]
    for key, at in zip(keys, [range(1, 9), (2, 4, 6, 8), (0, 2, 4, 6, 8), range(1, 9)]):
        assert curves['work', key] == list(zip(at, expected[key]))
    assert np.asarray(Image.open('out.png')).std() > 10

    run(work_dir / '20200101_000001', '--keys', 'loss', 'probe/knn', '--csv', 'out.csv', '--x', 'epoch')
    curves = numbers()
    assert [x for x, _ in curves['work', 'loss']] == [2.5, 3, 3.5, 4]
    assert curves['work', 'probe/knn'] == [(3, expected['probe/knn'][3]), (4, expected['probe/knn'][4])]


def test_a_resumed_run_replaces_what_was_beyond_and_a_new_one_everything(run, tmp_path):
    for i, rows in enumerate([steps(5, 40, 5), steps(10, 50, 10, offset=1), steps(30, 40, 10, offset=2)]):
        write_log(tmp_path / 'a' / f'2020010{i}_000000' / 'vis_data' / 'scalars.json', rows)
    # a validation by itself is no training
    write_log(tmp_path / 'a' / '20200109_000000' / 'vis_data' / 'scalars.json', [dict(score=1., step=0)])
    error, *_ = run('a', '--csv', 'out.csv')
    assert error is None and Path('work_dirs/curves.png').exists()
    assert numbers() == {('a', 'loss'): [(10, 11), (20, 21), (30, 32), (40, 42)]}


def test_runs_that_share_a_file(run, tmp_path):
    """Those of one process: the last of them counts, or its continuation."""
    write_log(tmp_path / 'log.json', steps(10, 30, 10) + steps(10, 30, 10, offset=1) + steps(20, 30, 10, offset=2))
    run('log.json', '--csv', 'out.csv', '--labels', 'mine')
    assert numbers() == {('mine', 'loss'): [(10, 11), (20, 22), (30, 32)]}


@pytest.mark.parametrize('of_epoch, unit, expected', [
    (30, 'iter', [0, 30, 60]), (30, 'epoch', [0, 1, 2]),  # the ends of epochs, which were not logged themselves
    (None, 'iter', [0, 20, 50]),  # unknown: the last training iteration before
])
def test_where_validation_stands(run, tmp_path, of_epoch, unit, expected):
    epochs = (1, 2) if of_epoch else (0, 0)
    log = write_log(tmp_path / 'log.json', [
        dict(score=1., step=0), *steps(20, 20, 20, of_epoch), dict(score=2., step=epochs[0]),
        *steps(50, 50, 20, of_epoch), dict(score=3., step=epochs[1])])
    error, *_ = run(log, '--keys', 'score', '--x', unit, '--csv', 'out.csv', '--labels', 'a')
    assert error is None
    assert numbers()['a', 'score'] == list(zip(expected, (1, 2, 3)))


def test_validation_that_tells_its_iteration(run, tmp_path):
    log = write_log(tmp_path / 'log.json', [*steps(20, 40, 20), dict(score=2., step=55), *steps(60, 80, 20)])
    run(log, '--keys', 'score', '--csv', 'out.csv', '--labels', 'a')
    assert numbers()['a', 'score'] == [(55, 2)]


def test_median_of_training_steps_only(run, tmp_path):
    values = [5., 1., 9., float('nan'), 2., 3., 30.]
    rows = [dict(loss=value, iter=i, step=i) for i, value in enumerate(values, 1)]
    rows += [dict(score=score, step=10 * i) for i, score in enumerate((1., 9., 2.), 1)]
    error, _, notes = run(write_log(tmp_path / 'log.json', rows), '--keys', 'loss', 'score', '--smooth', 3, '--csv',
                          'out.csv', '--labels', 'a')
    assert error is None and notes == 'a: 1 of 7 values of loss are not finite\n'
    smoothed, raw = numbers(value='smoothed'), numbers()
    np.testing.assert_array_equal([y for _, y in raw['a', 'loss']], values)
    np.testing.assert_array_equal([y for _, y in smoothed['a', 'loss']], [3, 5, 5, np.nan, 2.5, 3, 16.5])
    assert smoothed['a', 'score'] == raw['a', 'score'] == [(10, 1), (20, 9), (30, 2)]
    np.testing.assert_array_equal(plot_curves.median(np.array([4., 1., 3., 2.]), 2), [2.5, 2, 2.5, 2])


def test_panels_and_lines():
    """A panel for each key with the lines of the logs that have it, in the log's colour throughout."""
    def curve(label, key, y):
        y = np.array(y, float)
        return plot_curves.Curve(label, key, np.arange(len(y)), y, y)

    curves = [curve('a', 'loss', [3, 2]), curve('b', 'loss', [2, 1]), curve('b', 'score', [1, 2])]
    figures = []

    class Kept(matplotlib.figure.Figure):
        def savefig(self, file, **kwargs):
            figures.append(self)
            super().savefig(file, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matplotlib.figure, 'Figure', Kept)
        svg = plot_curves.draw(curves, 'epoch', 1, True, 'svg')
    assert b'<svg' in svg
    upper, lower = figures[0].axes
    assert (upper.get_ylabel(), lower.get_ylabel(), lower.get_xlabel()) == ('loss', 'score', 'epoch')
    assert upper.get_yscale() == lower.get_yscale() == 'log'
    assert [line.get_ydata().tolist() for line in upper.lines + lower.lines] == [[3, 2], [2, 1], [1, 2]]
    first, second, third = (line.get_color() for line in [*upper.lines, *lower.lines])
    assert first != second == third
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == ['a', 'b']


@pytest.mark.parametrize('suffix, start', [('png', b'\x89PNG'), ('pdf', b'%PDF'), ('svg', b'<?xml')])
def test_formats(run, tmp_path, suffix, start):
    error, *_ = run(write_log(tmp_path / 'log.json', steps(1, 5, 1)), '--out', f'deep/plot.{suffix}')
    assert error is None and Path(f'deep/plot.{suffix}').read_bytes().startswith(start)


def test_labels(tmp_path):
    places = [tmp_path / 'a', tmp_path / 'b' / '20200101_000000', tmp_path / 'c' / '20200101_000000' / 'vis_data',
              tmp_path / 'd' / '20200101_000000' / 'vis_data' / '20200101_000000.json', tmp_path / 'mine.json']
    for place in places[:3]:
        place.mkdir(parents=True)
    assert plot_curves.default_labels([str(place) for place in places]) == ['a', 'b', 'c', 'd', tmp_path.name]
    twins = [str(tmp_path / 'x' / 'log.json'), str(tmp_path / 'y' / 'x' / 'log.json')]
    assert plot_curves.default_labels(twins) == twins
    with pytest.raises(UserError, match='twice.*--labels'):
        plot_curves.default_labels(twins[:1] * 2)


def test_a_log_that_lacks_a_key_is_named(run, tmp_path):
    write_log(tmp_path / 'a' / 'scalars.json', steps(1, 3, 1))
    write_log(tmp_path / 'b' / 'scalars.json', [*steps(1, 3, 1), dict(score=1., step=3)])
    error, _, notes = run('a', 'b', '--keys', 'score', '--csv', 'out.csv')
    assert error is None and notes == 'a has no score\n'
    assert list(numbers()) == [('b', 'score')]


def test_an_unfinished_line_at_the_end_is_left_out(run, tmp_path):
    log = write_log(tmp_path / 'log.json', steps(1, 3, 1))
    log.write_text(log.read_text() + '{"loss": 4.0, "it')
    error, *_ = run(log, '--csv', 'out.csv', '--labels', 'a')
    assert error is None and len(numbers()['a', 'loss']) == 3


@pytest.mark.parametrize('arguments, message', [
    (['good.json', '--keys', 'los', 'lr'], r'Nothing was logged as los, lr. There are: loss, score.'),
    (['nowhere'], 'There is no log nowhere'),
    (['.'], 'has no log: .*LocalVisBackend'),
    (['outer'], 'outer has no log: .*Its folders have some: outer/work.'),
    (['empty.json'], 'empty.json is empty'),
    (['run.log'], "run.log, line 1 is no JSON: '2020/01/01 .*scalars.json"),
    (['broken.json'], 'broken.json, line 2 is no JSON'),
    (['test.json'], 'test.json, line 1 does not say its step'),
    (['binary.json'], 'Cannot read binary.json'),
    (['only_val.json'], 'only_val.json: no training iteration was logged'),
    (['good.json', '--x', 'epoch'], '--x epoch: .* of .* single epoch. Use --x iter'),
    (['good.json', '--keys', 'score', '--log-y'], '--log-y: score of .* the first at 3'),
    (['good.json', '--smooth', '0'], '--smooth must be at least 1'),
    (['good.json', '--out', 'plot.jpg'], r'--out plot.jpg must end in .png, .pdf, .svg'),
    (['good.json', '--out', 'good.json/plot.png'], 'Cannot write good.json/plot.png'),
    (['good.json', '--labels', 'a', 'b'], '--labels has 2 names for 1 logs'),
    (['good.json', 'outer', '--labels', 'a', 'a'], 'a name of its own'),
])
def test_mistakes(run, tmp_path, arguments, message):
    write_log(tmp_path / 'good.json', [*steps(1, 3, 1), dict(score=0., step=3, names=['a'])])
    write_log(tmp_path / 'outer' / 'work' / '20200101_000000' / 'vis_data' / 'scalars.json', steps(1, 3, 1))
    write_log(tmp_path / 'only_val.json', [dict(score=0., step=3)])
    write_log(tmp_path / 'test.json', [dict(score=0.)])
    for name, text in {'empty.json': '', 'run.log': '2020/01/01 00:00:00 - mmengine - INFO -\n',
                       'broken.json': '{"loss": 1, "step": 1, "iter": 1}\n{"loss"\n{"loss": 2, "step": 2}\n'}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / 'binary.json').write_bytes(b'\x80\x81\xff')
    error, lines, _ = run(*arguments)
    assert lines == [] and error.startswith('error: ')
    assert re.search(message, error), error
