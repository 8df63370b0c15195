"""The page of a run: what it says, that it needs nothing from elsewhere, and that text cannot become markup."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mmsimmim.visualization.report import Report, draw_curves, keys_of, make_page, write_report
from mmsimmim.visualization.training_log import Training

VOID = {'meta', 'img', 'br', 'hr', 'link', 'input'}


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether all that opens is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ''
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def training():
    steps = [(step, dict(iter=step, step=step, loss=1 / step, lr=1e-3)) for step in (1, 2, 4, 8)]
    measures = [(step, {'step': step, 'reconstruction/masked_loss': 0.5, 'probe/knn': 20. + step}) for step in (4, 8)]
    return Training([(0, {'step': 0, 'probe/knn': 12.5}), *steps, *measures])


@pytest.fixture
def report(training, tmp_path):
    Image.fromarray(np.arange(90 * 2000 * 3, dtype=np.uint8).reshape(90, 2000, 3)).save(tmp_path / 'picture.png')
    return Report(title='A run', status='Step 8 of 10; 3 s left.', progress=0.8, running=True,
                  figures={'loss': '0.1250'}, notes=['30 images.'], warnings=['WARNING: few.'], training=training,
                  pictures=[('What it sees.', tmp_path / 'picture.png')], files=dict(timm='/out/timm.safetensors'),
                  commands=['mmsimmim first', 'mmsimmim second'])


def test_all_that_was_given_is_there(report):
    page = Page(make_page(report))
    for text in ('A run', 'Step 8 of 10; 3 s left.', 'loss0.1250', '30 images.', 'WARNING: few.', 'What it sees.',
                 'timm/out/timm.safetensors', 'mmsimmim first\nmmsimmim second'):
        assert text in page.text
    assert page.all('progress')[0]['value'] == '0.8000'


def test_it_is_one_file_without_scripts(report):
    text = make_page(report)
    page = Page(text)
    assert not page.all('script') and not page.all('link') and 'url(' not in text and '@import' not in text
    assert all(image['src'].startswith('data:image/') for image in page.all('img'))
    assert not any(name.startswith('on') or name == 'href' for _, attributes in page.elements for name in attributes)


def test_pictures_are_described_and_no_larger_than_needed(report):
    images = Page(make_page(report)).all('img')
    assert [image['alt'] for image in images[:2]] == [
        'L1 loss on masked pixels: 1 at iteration 1, 0.125 at 8',
        'top-1 accuracy of nearest neighbours, in percent: 12.5 at iteration 0, 28 at 8']
    kind, _, content = images[-1]['src'].partition(',')
    assert kind == 'data:image/jpeg;base64' and images[-1]['alt'] == 'What it sees.'
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (1400, 63)


def test_only_a_page_of_a_running_training_is_read_anew(report):
    assert [meta for meta in Page(make_page(report)).all('meta') if meta.get('http-equiv') == 'refresh']
    report.running = False
    assert not [meta for meta in Page(make_page(report)).all('meta') if meta.get('http-equiv') == 'refresh']


def test_text_is_never_markup(report):
    hostile = '</style><script>alert(1)</script>"><img src=x onerror=alert(1)>\x1b[2J'
    report.title = report.status = hostile
    report.notes = report.warnings = report.commands = [hostile]
    report.figures = report.files = {hostile: hostile}
    report.pictures = [(hostile, report.pictures[0][1])]
    page = Page(make_page(report))
    assert not page.all('script') and not [image for image in page.all('img') if 'onerror' in image]
    assert '\x1b' not in page.text and page.text.count('<script>alert(1)') == 11


def test_a_page_without_anything_yet_is_whole(tmp_path):
    path = write_report(tmp_path / 'report.html', Report('A run', 'Reading.', 0., True))
    page = Page(path.read_text(encoding='utf-8'))
    assert not page.all('img') and not page.all('h2') and page.all('h1')


class TestCurves:

    def test_a_panel_for_each_that_was_logged(self, training):
        assert keys_of(training) == ['loss', 'probe/knn', 'lr'] and keys_of(Training()) == []
        width, height = Image.open(io.BytesIO(draw_curves(training, keys_of(training), 'png'))).size
        assert width == pytest.approx(3 * 550, abs=2) and height == 352

    def test_the_untrained_value_is_a_line_of_its_own(self, training):
        assert b'untrained' in as_text(draw_curves(training, ['probe/knn']))
        del training.records[0]
        assert b'untrained' not in as_text(draw_curves(training, ['probe/knn']))

    def test_in_the_page_they_have_no_background_of_their_own(self, training):
        """So that the page's shows, light or dark."""
        svg = draw_curves(training, ['loss']).decode()
        first = re.search(r'<g id="patch_1">\s*<path [^>]*>', svg)[0]
        assert 'fill: none' in first or 'opacity: 0' in first

    def test_numbers_that_are_not_finite_do_not_end_it(self, training):
        training.records.append((9, dict(iter=9, step=9, loss=float('nan'))))
        assert draw_curves(training, ['loss']).startswith(b'<?xml')


def as_text(svg):
    """Of a drawing whose letters are curves, the comments that name each text."""
    return b'\n'.join(re.findall(rb'<!-- (.*?) -->', svg))
