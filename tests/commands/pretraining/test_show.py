"""What a person looks at while a run goes on: the masked inputs, and a page that follows the log."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from mmsimmim.commands.pretraining import show
from mmsimmim.commands.pretraining.show import Page
from mmsimmim.visualization.panels import draw_row


class Run:
    """A work folder that fills as that of a training does, and the page that follows it."""

    def __init__(self, out, max_iters=100):
        self.folder = out / 'train' / 'now' / 'vis_data'
        (self.folder / 'vis_image').mkdir(parents=True)
        self.page = Page('A run', out, ['30 images.', 'WARNING: few.'], max_iters, 10)
        self.out = out
        self.drawn = 0

    def log(self, **record):
        with open(self.folder / 'scalars.json', 'a') as file:
            file.write(json.dumps(record) + '\n')
        self.page.show(record)

    def step(self, step, loss=0.5):
        self.log(iter=step, step=step, loss=loss, time=0.5)

    def moment(self, step, side=192):
        path = self.folder / 'vis_image' / f'reconstruction_{step}.png'
        tiles = [np.full((side, side, 3), value, np.uint8) for value in (10, 20, step, 40)]
        Image.fromarray(draw_row(tiles, note='a.jpg')).save(path)
        self.drawn += 1
        os.utime(path, (self.drawn, self.drawn))
        self.log(**{'step': step, 'reconstruction/masked_loss': 0.4})

    def text(self):
        return (self.out / 'report.html').read_text(encoding='utf-8')

    def pictures(self):
        return {path.name for path in (self.out / 'pictures').iterdir()}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(show, 'draw_curves', lambda *_: b'')  # what takes long; the page draws its own
    monkeypatch.setattr('mmsimmim.visualization.report.draw_curves', lambda *_: b'')
    return Run(tmp_path)


def test_a_page_is_written_at_each_moment_and_says_how_far_it_is(run):
    run.log(**{'step': 0, 'probe/knn': 25.})
    run.step(1)
    assert not (run.out / 'report.html').exists()
    run.moment(20)
    text = run.text()
    assert 'Step 1 of 100; 50 s left.' in text and 'http-equiv="refresh"' in text and 'value="0.0100"' in text
    for words in ('loss<b>0.5000', 'images per second<b>20', 'held-out loss<b>0.4000', 'nearest neighbours<b>25.0 %'):
        assert words in text
    assert '<p class="warning">WARNING: few.' in text and text.count('30 images.') == 1


def test_between_moments_it_is_written_once_a_minute(run, monkeypatch):
    begin = show.time.monotonic()
    for seconds, written in ((59, False), (61, True), (100, False), (125, True)):
        (run.out / 'report.html').unlink(missing_ok=True)
        monkeypatch.setattr(show.time, 'monotonic', lambda now=begin + seconds: now)
        run.step(seconds // 2)
        assert (run.out / 'report.html').exists() == written


def test_a_log_without_a_step_yet_and_one_without_numbers_are_pages_too(run):
    run.page.write('Reading the images.', running=True)
    assert 'Reading the images.' in run.text()
    run.log(iter=1, step=1, loss=float('nan'), time=0)
    run.page.write('Stopped.', running=False)
    assert 'loss<b>nan' in run.text() and 'images per second<b>unknown' in run.text()


def test_first_middle_and_last_moment_are_kept_and_shown_side_by_side(run):
    for step in (20, 40, 60, 80, 100):
        run.step(step)
        run.moment(step)
    assert run.pictures() == {'curves.png', 'learning.png', 'reconstruction.png', 'reconstruction_first.png',
                              'reconstruction_middle.png'}
    learning = np.asarray(Image.open(run.out / 'pictures' / 'learning.png').convert('L'))
    middles = [learning[120, 6 + column * 198 + 96] for column in range(5)]
    assert middles == [10, 20, 20, 60, 100]
    text = run.text()
    assert text.count('<figure class="rows">') == 2
    assert text.index('at moments of the training') < text.index('After 100 iterations')


def test_of_a_single_moment_there_is_one_picture(run):
    run.step(100)
    run.moment(100)
    assert run.pictures() == {'curves.png', 'reconstruction.png'} and 'After 100 iterations' in run.text()


def test_of_a_run_that_goes_on_from_before_the_newest_pictures_count(run):
    for step in (20, 40, 20, 40):
        run.moment(step)
    newest = run.folder / 'vis_image' / 'reconstruction_40.png'
    assert (run.out / 'pictures' / 'reconstruction.png').read_bytes() == newest.read_bytes()
