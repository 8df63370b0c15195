"""plot_curves --against: one point for each run, of runs written here."""

import csv
import json
import re

import matplotlib.figure
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.commands import plot_curves
from mmsimmim.models import SwinTransformerV2
from mmsimmim.visualization.scaling_curves import _short

LOSS, ACCURACY = 'reconstruction/masked_loss', 'accuracy/top1'
ARCHS = {width: dict(embed_dims=width, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]) for width in (8, 16)}


@pytest.fixture(scope='module')
def parameters():
    """Of the two encoders, counted on encoders with values."""
    return {width: sum(parameter.numel() for parameter in SwinTransformerV2(arch, img_size=64).parameters())
            for width, arch in ARCHS.items()}


@pytest.fixture
def write_run(tmp_path, monkeypatch):
    """A function that writes config and log of a run into a work_dir; a hundredth of the losses is the iteration."""
    monkeypatch.chdir(tmp_path)

    def write_run(name, width=8, images=None, iterations=100, key=LOSS, values=(0.9, 0.5, 0.6), start=None, **kwargs):
        folder = tmp_path / name / '20200101_000000' / 'vis_data'
        folder.mkdir(parents=True)
        backbone = dict(type='mmsimmim.SwinTransformerV2', arch=ARCHS[width], img_size=64)
        if start:
            backbone['init_cfg'] = dict(type='Pretrained', checkpoint=start)
        kind = 'mmsimmim.SimMIM' if key == LOSS else 'ImageClassifier'
        Config(dict(default_scope='mmpretrain', model=dict(type=kind, backbone=backbone), **kwargs)).dump(
            folder / 'config.py')
        rows = [{'data/train_images': images, 'step': 0}] if images else []
        for i, value in enumerate(values, 1):
            at = iterations * i // len(values)
            rows += [dict(loss=at / 100, iter=at, step=at), {key: value, 'step': at}]
        (folder / 'scalars.json').write_text(''.join(json.dumps(row) + '\n' for row in rows))
        return name

    return write_run


@pytest.fixture
def plot(capsys):
    """A function that runs the tool and returns (error or None, rows of the CSV file, error stream)."""

    def plot(*arguments):
        error, rows = None, []
        try:
            plot_curves.main([*map(str, arguments), '--out', 'out.png', '--csv', 'out.csv'])
            with open('out.csv') as file:
                rows = [tuple(row.values()) for row in csv.DictReader(file)]
        except SystemExit as stop:
            error = str(stop)
        return error, rows, capsys.readouterr().err

    return plot


def test_loss_against_data_a_line_for_each_size(write_run, plot, parameters):
    runs = [write_run(f'{width}_{images}', width, images, values=(0.9, 1 / width, images / 7))
            for width in (16, 8) for images in (2000, 100)]
    error, rows, notes = plot(*runs, '--against', 'images', '--keys', LOSS)
    assert (error, notes) == (None, '')
    assert rows == [(LOSS, f'{_short(parameters[width])} parameters', f'{width}_{images}', str(parameters[width]),
                     str(images), '100', str(images), str(images / 7)) for width in (16, 8) for images in (100, 2000)]
    assert np.asarray(Image.open('out.png')).std() > 10


@pytest.mark.parametrize('pick, value', [('last', 0.6), ('min', 0.5), ('max', 0.9)])
def test_which_of_the_values(write_run, plot, pick, value):
    _, rows, _ = plot(write_run('a', images=10), '--against', 'iterations', '--keys', LOSS, '--pick', pick)
    assert [row[-2:] for row in rows] == [('100', str(value))]


def test_accuracy_against_the_length_and_the_data_of_the_pre_training(write_run, plot, parameters):
    """A fine-tuning, and another one that starts from it, count as the pre-training that they come from."""
    for length in (200, 50):
        start = write_run(f'pretrained_{length}', images=640, iterations=length) + '/iter_100.pth'
        for name in (f'a_{length}', f'b_{length}'):
            write_run(name, images=77, iterations=30, key=ACCURACY, values=(80., length / 2), start=start)
            start = f'{name}/epoch_30.pth'
    runs = ['a_200', 'a_50', 'b_50', 'b_200']
    error, rows, _ = plot(*runs, '--against', 'iterations', '--keys', ACCURACY, '--labels', *'AABB')
    assert error is None
    assert [(row[1], row[2], row[4], row[5], row[7]) for row in rows] == [
        ('A', 'a_50', '640', '50', '25.0'), ('A', 'a_200', '640', '200', '100.0'),
        ('B', 'b_50', '640', '50', '25.0'), ('B', 'b_200', '640', '200', '100.0')]
    assert {row[3] for row in rows} == {str(parameters[8])}
    error, rows, _ = plot('a_200', 'a_50', '--against', 'parameters', '--keys', ACCURACY)
    assert [row[1] for row in rows] == ['200 iterations', '50 iterations'] and error is None


def test_a_training_from_load_from(write_run, plot):
    write_run('pretrained', images=640, iterations=50)
    write_run('tuned', images=77, key=ACCURACY, load_from='pretrained/iter_50.pth')
    assert [row[4:6] for row in plot('tuned', '--against', 'images', '--keys', ACCURACY)[1]] == [('640', '50')]


def test_abscissae_by_hand(write_run, plot, tmp_path):
    write_run('a', start='gone/epoch_1.pth', key=ACCURACY)
    write_run('b', key=ACCURACY)
    (tmp_path / 'b' / '20200101_000000' / 'vis_data' / 'config.py').unlink()
    error, rows, _ = plot('a', 'b', '--against', 'images', '--keys', ACCURACY, '--at', '1281167', '14197122.5',
                          '--labels', 'mine', 'mine')
    assert error is None
    assert [(row[1], row[4], row[6]) for row in rows] == [('mine', '', '1281167'), ('mine', '', '14197122.5')]


def test_panels_ticks_and_lines(write_run, plot, monkeypatch):
    figures = []

    class Kept(matplotlib.figure.Figure):
        def savefig(self, file, **kwargs):
            figures.append(self)
            super().savefig(file, **kwargs)

    monkeypatch.setattr(matplotlib.figure, 'Figure', Kept)
    runs = [write_run(f'{width}_{images}', width, images) for width in (8, 16) for images in (128117, 1281167)]
    error, _, notes = plot(*runs, write_run('other', 8, 1281167, key=ACCURACY), '--against', 'images', '--keys', LOSS,
                           ACCURACY, '--log-y')
    assert error is None
    assert notes.splitlines() == [f'other has no {LOSS}', *(f'{run} has no {ACCURACY}' for run in runs)]
    upper, lower = figures[0].axes
    assert upper.get_xscale() == upper.get_yscale() == 'log'
    assert [list(line.get_xdata()) for line in upper.lines] == [[128117, 1281167]] * 2
    assert [list(line.get_xdata()) for line in lower.lines] == [[1281167], []]
    assert [text.get_text() for text in lower.get_xticklabels()] == ['128k', '1.28M']
    assert lower.get_xlabel() == 'images of the pre-training'
    assert len({line.get_color() for line in upper.lines}) == 2


@pytest.mark.parametrize('number, text', [(86_893_816, '86.9M'), (999_950, '1M'), (1_061_000_000, '1.06B'),
                                          (125_000, '125k'), (0.1, '0.1'), (None, 'unknown')])
def test_numbers_are_short(number, text):
    assert _short(number) == text


def test_a_run_that_was_resumed_on_other_images_does_not_tell_how_many(write_run, plot, tmp_path):
    log = tmp_path / write_run('a', images=10) / '20200101_000000' / 'vis_data' / 'scalars.json'
    log.write_text(log.read_text() + json.dumps({'data/train_images': 20, 'step': 100}) + '\n'
                   + json.dumps(dict(loss=1., iter=110, step=110)) + '\n')
    error, *_ = plot('a', '--against', 'images')
    assert 'of a no line data/train_images' in error and 'different numbers' in error


@pytest.mark.parametrize('arguments, message', [
    (['a', '--against', 'images', '--keys', 'acc'], 'Nothing was logged as acc. There are: loss, reconstruction'),
    (['a', '--against', 'images', '--keys', LOSS], '--against images: of a no line data/train_images.*Give --at'),
    (['tuned', '--against', 'iterations', '--keys', ACCURACY], 'of tuned no log of the pre-training .*Give --at'),
    (['bare', '--against', 'parameters'], 'of bare no config.py beside the log'),
    (['broken', '--against', 'parameters'], 'The config .*config.py cannot be read: NameError'),
    (['strange', '--against', 'parameters'], 'strange: the encoder, a mmsimmim.Nothing, cannot be built'),
    (['a', '--against', 'images', '--x', 'epoch'], '--smooth and --x have no meaning'),
    (['a', '--at', '3'], '--at and --pick go with --against'),
    (['a', '--against', 'images', '--at', '3', '4'], '--at has 2 numbers for 1 logs'),
    (['a', '--against', 'images', '--at', '0'], 'give a positive one')])
def test_mistakes(write_run, plot, tmp_path, arguments, message):
    write_run('a')
    write_run('tuned', start='gone/epoch_1.pth', key=ACCURACY)
    for name, text in dict(bare=None, broken='model = x', strange="default_scope = 'mmsimmim'\n"
                           "model = dict(type='X', backbone=dict(type='Nothing'))").items():
        path = tmp_path / write_run(name) / '20200101_000000' / 'vis_data' / 'config.py'
        path.write_text(text) if text else path.unlink()
    error, rows, _ = plot(*arguments)
    assert rows == [] and error.startswith('error: ')
    assert re.search(message, error), error


def test_the_same_log_twice_is_told_what_helps(plot, write_run):
    write_run('a')
    error, _, _ = plot('a', 'a', '--keys', LOSS, '--against', 'parameters')
    assert 'given twice: a a. ' in str(error) and 'each log once' in str(error) and '--labels' not in str(error)
