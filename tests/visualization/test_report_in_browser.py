"""The page of a run as a browser draws it: light and dark, on a screen and on a phone."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from mmsimmim.visualization.panels import draw_row
from mmsimmim.visualization.report import GREY, Report, make_page
from mmsimmim.visualization.training_log import Training

BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome', 'chrome'))), None)
pytestmark = [pytest.mark.skipif(BROWSER is None, reason='needs Chromium or Chrome on the PATH'), pytest.mark.slow]
# blink::mojom::PreferredColorScheme
DARK, LIGHT = 0, 1
WIDTH, HEIGHT = 1000, 1800
MEASURE = """
<script>
onload = () => {
  const measured = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    return {asked: +frame.width, inner: frame.contentWindow.innerWidth, scroll: root.scrollWidth,
            images: [...page.images].map(image => [image.complete, image.naturalWidth, image.clientWidth]),
            columns: getComputedStyle(page.querySelector('.curves')).gridTemplateColumns.split(' ').length,
            figures: page.querySelectorAll('.figures li').length, progress: page.querySelector('progress').value};
  });
  document.querySelector('pre').textContent = JSON.stringify(measured);
};
</script>"""


def browse(path, *options):
    arguments = [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', *options, path.as_uri()]
    result = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True)
    return result.stdout.decode()


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp('page')
    records = [(step, {'iter': step, 'step': step, 'loss': 1 / step, 'lr': 1e-3}) for step in range(1, 9)]
    records += [(step, {'step': step, 'probe/knn': 20. + step, 'probe/linear': 30. + step,
                        'reconstruction/masked_loss': .5}) for step in (0, 4, 8)]
    tiles = [np.full((192, 192, 3), value, np.uint8) for value in (30, 90, 150, 210)]
    Image.fromarray(draw_row(tiles)).save(folder / 'rows.png')
    text = make_page(Report(
        'SimMIM pre-training: ' + 'a_very_long_name_' * 8, 'Finished.', .5, False, {'loss': '0.1', 'images': '7'},
        ['All about ' + '/a/path/without/a/space' * 12], ['WARNING: ' + 'x' * 200], Training(records),
        [('Rows.', folder / 'rows.png')], {'timm': '/out/' + 'y' * 200}, ['mmsimmim train ' + 'z' * 300]))
    (folder / 'report.html').write_text(text, encoding='utf-8')
    return folder / 'report.html'


@pytest.fixture(scope='module')
def measured(page):
    """What a browser measures of the page at the widths of phones, tablets and screens."""
    text = html.escape(page.read_text(encoding='utf-8'))
    frames = ''.join(f'<iframe width="{width}" height="900" frameborder="0" srcdoc="{text}"></iframe>'
                     for width in (320, 400, 1100))
    around = page.with_name('around.html')
    around.write_text(f'<!doctype html><meta charset="utf-8">{frames}<pre></pre>{MEASURE}', encoding='utf-8')
    found = re.search(r'<pre>(\[.*?\])</pre>', browse(around, '--virtual-time-budget=3000', '--dump-dom'))
    return json.loads(html.unescape(found[1]))


def test_every_picture_is_decoded(measured):
    for frame in measured:
        assert len(frame['images']) == 5 and all(done and width > 0 for done, width, _ in frame['images'])
        assert frame['figures'] == 2 and frame['progress'] == .5


def test_nothing_is_wider_than_the_screen(measured):
    assert [frame['inner'] for frame in measured] == [320, 400, 1100]
    assert all(frame['scroll'] <= frame['inner'] for frame in measured)


def test_curves_stand_below_one_another_on_a_phone_and_in_pairs_on_a_screen(measured):
    assert [frame['columns'] for frame in measured] == [1, 1, 2]
    assert all(width > .8 * 320 for _, _, width in measured[0]['images'][:4])


@pytest.mark.parametrize('scheme', [LIGHT, DARK])
def test_text_and_curves_stand_out_from_a_light_and_a_dark_page(page, tmp_path, scheme):
    target = tmp_path / 'page.png'
    browse(page, f'--blink-settings=preferredColorScheme={scheme}', f'--window-size={WIDTH},{HEIGHT}',
           f'--screenshot={target}')
    picture = np.asarray(Image.open(target).convert('L')).astype(int)
    ground = picture[2, 2]
    assert ground > 240 if scheme == LIGHT else ground < 40
    titles = picture[:120]  # the heading, in full contrast
    assert abs(titles - ground).max() > 200
    top = np.flatnonzero((abs(picture - ground) > 90).any(axis=1))
    assert picture.shape == (HEIGHT, WIDTH) and top.max() - top.min() > HEIGHT / 2
    # The curves have no paper of their own, but the page's.
    assert .5 < (picture == ground).mean() < .98
    values = sorted((luminance(int(GREY[1:3], 16)), luminance(ground)))
    assert (values[1] + .05) / (values[0] + .05) > 4


def luminance(grey):
    """Of a shade, 0 to 255, as WCAG defines it."""
    value = grey / 255
    return value / 12.92 if value <= .04045 else ((value + .055) / 1.055)**2.4
