"""tools/analysis_tools/avg_dist.py."""

import json
import re

import cv2
import numpy as np
import pytest

from mmsimmim.commands.avg_dist import Point, draw, main, make_table
from mmsimmim.datasets import BlockwiseMaskGenerator, SimMIMMaskGenerator, SquareMaskGenerator
from mmsimmim.evaluation import average_distance


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs the tool in an empty folder and returns (error or None, printed text)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        error = None
        try:
            main(list(map(str, arguments)))
        except SystemExit as stop:
            error = str(stop)
        return error, capsys.readouterr().out

    return call


def test_table_marks_the_band_and_what_has_no_value():
    points = [Point('random', 32, 0.5, 9.96, 0.1), Point('random', 32, 0.9, 20.04, 0.1),
              Point('random', 64, 0.5, 9.94, 0.1), Point('random', 64, 0.9, None, None)]
    assert make_table(points, (10, 20)).splitlines() == [
        '| masked patch, px | 0.5 | 0.9 |', '| --- | --- | --- |', '| 32 | **10.0** | **20.0** |', '| 64 | 9.9 | - |']


def test_numbers_of_every_strategy(run, tmp_path):
    error, printed = run('--strategies', 'random', 'square', 'central-square', 'block-wise', '--input-size', 64, 96,
                         '--patch-sizes', 8, 32, '--ratios', 0.3, 1, '--masks', 20, '--seed', 7, '--band', 1, 5,
                         '--out-dir', 'new/folder', '--json', 'new/figures.json')
    assert error is None
    assert (tmp_path / 'new/folder/avg_dist.md').read_text() == printed
    assert 'Images of 64 x 96 px, 20 masks for each number. **Bold**: 1 to 5.' in printed

    figures = json.loads((tmp_path / 'new/figures.json').read_text())
    assert (figures['input_size'], figures['masks'], figures['seed'], figures['band']) == ([64, 96], 20, 7, [1, 5])
    makers = dict(zip(['random', 'square', 'central-square', 'block-wise'],
                      [SimMIMMaskGenerator, SquareMaskGenerator,
                       lambda *arguments: SquareMaskGenerator(*arguments, position='central'),
                       BlockwiseMaskGenerator]))
    expected_kinds = [(strategy, patch, ratio) for strategy in makers for patch in (8, 32) for ratio in (0.3, 1)]
    assert [(p['strategy'], p['patch_size'], p['ratio']) for p in figures['points']] == expected_kinds
    for point in figures['points']:
        if point['ratio'] == 1:
            assert point['avg_dist'] is None and point['standard_error'] is None
            continue
        generator, source = makers[point['strategy']]((64, 96), point['patch_size'], 4, 0.3), np.random.RandomState(7)
        values = [average_distance(generator.draw(source), 4) for _ in range(20)]
        assert point['avg_dist'] == pytest.approx(np.mean(values))
        assert point['standard_error'] == pytest.approx(np.std(values, ddof=1) / 20**0.5, abs=1e-12)
        text = f"{point['avg_dist']:.1f}"
        assert f"| {point['patch_size']} | {f'**{text}**' if 1 <= float(text) <= 5 else text} | - |" in printed


def test_defaults_are_those_of_the_paper(run, tmp_path):
    """One mask for each number here, which is why 60 % of 32 px is not looked for in the band."""
    error, printed = run('--masks', 1)
    assert error is None
    rows = [line for line in printed.splitlines() if line.startswith('|')]
    assert rows[0] == '| masked patch, px | 0.1 | 0.2 | 0.3 | 0.4 | 0.5 | 0.6 | 0.7 | 0.8 | 0.9 |'
    assert [row.split()[1] for row in rows[2:]] == ['4', '8', '16', '32', '64']
    assert rows[-1].endswith('| - |') and 'Images of 192 x 192 px' in printed
    assert cv2.imread('work_dirs/avg_dist/avg_dist.png').ndim == 3


def test_plot_has_a_panel_per_strategy_a_line_per_size_and_a_ring_in_the_band():
    one, two = ([Point(name, 8, 0.2, 3.0, 0), Point(name, 8, 0.6, 12.0, 0), Point(name, 64, 0.2, 30.0, 0),
                 Point(name, 64, 1, None, None)] for name in ('random', 'square'))
    narrow, wide = (cv2.imdecode(np.frombuffer(draw(points, (10, 20)), np.uint8), cv2.IMREAD_COLOR)
                    for points in (dict(random=one), dict(random=one, square=two)))
    assert wide.shape[1] > 1.5 * narrow.shape[1] and wide.shape[0] == narrow.shape[0]
    other = cv2.imdecode(np.frombuffer(draw(dict(random=one), (20, 25)), np.uint8), cv2.IMREAD_COLOR)
    assert not np.array_equal(narrow, other)


@pytest.mark.parametrize('arguments, message', [
    (['--patch-sizes', '5'], r'input_size \(192, 192\) must be a multiple of mask_patch_size 5.*--patch-sizes'),
    (['--ratios', '60'], r'mask_ratio must lie in \(0, 1\], got 60'), (['--input-size', '0'], 'sizes must be positive'),
    (['--input-size', '64', '64', '3'], '--input-size takes one number or two'),
    (['--masks', '0'], '--masks must be at least 1, got 0'), (['--seed', '-1'], '--seed must lie between'),
    (['--band', '20', '10'], '--band takes the lower end first, got 20 10'),
    (['--out-dir', 'file/folder'], 'Cannot write file/folder/avg_dist.md'),
    (['--json', 'file/x.json'], 'Cannot write file/x.json')])
def test_readable_errors(run, tmp_path, arguments, message):
    (tmp_path / 'file').write_text('')
    quick = ['--patch-sizes', '64', '--ratios', '0.5', '--masks', '1']
    error, _ = run(*quick, *arguments)
    assert error is not None and error.startswith('error: ') and re.search(message, error), error
