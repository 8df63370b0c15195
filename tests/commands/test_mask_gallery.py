"""tools/analysis_tools/mask_gallery.py."""

import re

import cv2
import numpy as np
import pytest

from mmsimmim.commands import mask_gallery
from mmsimmim.datasets import BlockwiseMaskGenerator, SimMIMMaskGenerator, SquareMaskGenerator
from mmsimmim.evaluation import average_distance
from mmsimmim.visualization import draw_row, hide_masked, stack_rows
from mmsimmim.visualization.panels import GAP, LINE
from tests.visualization.tiny import write_picture


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs the tool in an empty folder and returns (error or None, printed lines)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        error = None
        try:
            mask_gallery.main(list(map(str, arguments)))
        except SystemExit as stop:
            error = str(stop)
        return error, capsys.readouterr().out.splitlines()

    return call


def read(path):
    return cv2.imread(str(path))[..., ::-1]


def test_rows_and_columns(run, tmp_path):
    """Images of the right size come out as they are, each under the masks that the captions name."""
    pictures = [read(write_picture(tmp_path / f'{name}.png', 64, 96, seed=name)) for name in (0, 1)]
    error, lines = run('0.png', '1.png', '--out', 'new/all.png', '--input-size', 64, 96, '--seed', 5, '--columns',
                       'square:16:0.25', 'block-wise:8:0.5', 'random:32:0.6')
    assert error is None and lines == ['new/all.png']

    generators = {
        'square 16 px, 25%': SquareMaskGenerator((64, 96), 16, 4, 0.25),
        'block-wise 8 px, 50%': BlockwiseMaskGenerator((64, 96), 8, 4, 0.5),
        'random 32 px, 60%': SimMIMMaskGenerator((64, 96), 32, 4, 0.6)}
    shares = ['25% masked', '50% masked', '67% masked']
    rows = []
    for index, picture in enumerate(pictures):
        masks = [generator.draw(np.random.RandomState([5, index])) for generator in generators.values()]
        notes = [f'{share}, AvgDist {average_distance(mask, 4):.1f} px' for share, mask in zip(shares, masks)]
        rows.append(draw_row([picture, *(hide_masked(picture, mask) for mask in masks)], ['original', *generators],
                             [f'{index}.png', *notes]))
    np.testing.assert_array_equal(read('new/all.png'), stack_rows(rows))


def test_images_are_scaled_and_cut_in_the_middle(run, tmp_path):
    """Left and right quarters of the wide image, upper and lower ones of the high one, are cut off."""
    for name, shape in (('wide.png', (400, 800)), ('high.png', (800, 400))):
        image = np.zeros((*shape, 3), dtype=np.uint8)
        image[shape[0] // 2 - 200:shape[0] // 2 + 200, shape[1] // 2 - 200:shape[1] // 2 + 200] = (40, 80, 120)
        cv2.imwrite(name, image)
        error, _ = run(name, '--out', 'out.png', '--columns', 'random:192:1')
        assert error is None
        sheet = read('out.png')
        tile = sheet[GAP + LINE:GAP + LINE + 192, GAP:GAP + 192]
        assert (tile[2:-2, 2:-2] == (120, 80, 40)).all()
        assert (sheet[GAP + LINE:GAP + LINE + 192, 2 * GAP + 192:2 * (GAP + 192)] == 128).all()  # the other is masked


def test_default_columns(run, tmp_path):
    write_picture(tmp_path / 'a.png', 300, 240)
    error, _ = run('a.png', '--out', 'out.png')
    assert error is None
    assert read('out.png').shape == (2 * (GAP + LINE) + 192, GAP + 9 * (192 + GAP), 3)


def test_greyscale_and_other_seeds(run, tmp_path):
    cv2.imwrite('grey.png', np.full((192, 192), 90, dtype=np.uint8))
    sheets = []
    for seed in (0, 0, 1):
        assert run('grey.png', '--out', 'out.png', '--columns', 'random:8:0.5', '--seed', seed)[0] is None
        sheets.append(read('out.png'))
    assert np.array_equal(sheets[0], sheets[1]) and not np.array_equal(sheets[0], sheets[2])


@pytest.mark.parametrize('arguments, message', [
    (['missing.png', '--out', 'o.png'], 'Cannot read the image missing.png: No such file'),
    (['bad.png', '--out', 'o.png'], 'Cannot read the image bad.png: not an image'),
    (['a.png', '--out', 'o.jpg'], '--out o.jpg must end in .png'),
    (['a.png', '--out', 'a.png'], '--out a.png would overwrite an image'),
    (['a.png', '--out', 'a.png/o.png'], 'Cannot write a.png/o.png'),
    (['a.png', '--out', 'o.png', '--seed', '-1'], '--seed must lie between 0 and'),
    (['a.png', '--out', 'o.png', '--input-size', '0'], '--input-size takes a side or height and width'),
    (['a.png', '--out', 'o.png', '--input-size', '64', '64', '3'], '--input-size takes .*got 64 64 3'),
    (['a.png', '--out', 'o.png', '--input-size', '100'],
     r'--columns square:32:0.25: input_size \(100, 100\) must be a multiple of mask_patch_size 32'),
    (['a.png', '--out', 'o.png', '--columns', 'round:32:0.5'], '--columns round:32:0.5: write STRATEGY:PATCH:RATIO'),
    (['a.png', '--out', 'o.png', '--columns', 'random:32'], '--columns random:32: write STRATEGY:PATCH:RATIO'),
    (['a.png', '--out', 'o.png', '--columns', 'random:x:0.5'], '--columns random:x:0.5: invalid literal'),
    (['a.png', '--out', 'o.png', '--columns', 'random:32:60'], r'mask_ratio must lie in \(0, 1\], got 60')])
def test_readable_errors(run, tmp_path, arguments, message):
    write_picture(tmp_path / 'a.png')
    (tmp_path / 'bad.png').write_bytes(b'no image')
    error, lines = run(*arguments)
    assert not lines and not (tmp_path / 'o.png').exists()
    assert error is not None and error.startswith('error: ') and re.search(message, error), error
