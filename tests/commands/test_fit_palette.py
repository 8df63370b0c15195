"""The tool that fits palettes."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmsimmim.commands import fit_palette
from mmsimmim.models import ColourClusterTarget

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'fit_palette.py'

COLOURS = np.array([[20, 10, 30], [200, 30, 20], [30, 200, 60], [210, 220, 250]], np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Pictures in four colours, red first, in nested folders, beside a broken one."""
    for number in range(3):
        path = tmp_path / 'images' / 'deep' / f'{number}.png' if number else tmp_path / 'images' / '0.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        squares = COLOURS[np.random.default_rng(number).permutation(16).reshape(4, 4) % 4]
        cv2.imwrite(str(path), squares.repeat(8, 0).repeat(8, 1)[..., ::-1])
    (tmp_path / 'images' / 'broken.jpg').write_text('no image')
    return tmp_path / 'images'


@pytest.fixture
def tool():
    return fit_palette


@pytest.fixture
def run(tool, capsys):
    """A function that runs the tool in this process and returns (error or None, printed text, error stream)."""

    def call(*arguments):
        error = None
        try:
            tool.main(list(map(str, arguments)))
        except SystemExit as stop:
            error = str(stop)
        printed = capsys.readouterr()
        return error, printed.out, printed.err

    return call


@pytest.mark.parametrize('stride', [1, 8])
def test_finds_the_colours_of_a_folder_and_the_target_takes_them(run, folder, tmp_path, stride):
    out = tmp_path / 'new' / 'palette.npy'
    error, printed, err = run(folder, '--out', out, '--colours', 4, '--stride', stride)
    assert error is None
    palette = np.load(out)
    assert palette.dtype == np.float32
    np.testing.assert_allclose(palette, COLOURS[np.argsort(COLOURS.sum(1))], atol=1e-3)
    assert err == f'left out: {folder}/broken.jpg: not an image\n'
    pixels = 3 * 32 * 32 // stride**2
    assert printed == (f'{out}: 4 colours from {pixels} pixels of 3 images; a pixel is 0.0 levels of 255 from its '
                       'colour (root mean square)\n')
    target = ColourClusterTarget(str(out))
    assert target(torch.tensor([30., 200., 60.]).reshape(1, 3, 1, 1)).item() == 2


def test_the_same_arguments_write_the_same_file(run, tmp_path):
    for seed in range(2):
        cv2.imwrite(str(tmp_path / f'{seed}.png'), np.random.default_rng(seed).integers(0, 256, (40, 40, 3), np.uint8))
    files = []
    for name, *arguments in (('a', ), ('b', ), ('c', '--seed', 1)):
        out = tmp_path / f'{name}.npy'
        assert run(tmp_path, '--out', out, '--colours', 16, '--pixels', 1000, *arguments)[0] is None
        files.append(out.read_bytes())
    assert files[0] == files[1] != files[2]


def test_an_old_palette_is_replaced_when_the_new_one_is_whole(run, tool, folder, tmp_path, monkeypatch):
    out = tmp_path / 'palette.npy'
    out.write_bytes(b'old')
    before = set(os.listdir(tmp_path))

    def breaks_off(file, array):
        file.write(b'half')
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(tool.np, 'save', breaks_off)
        error, _, _ = run(folder, '--out', out, '--colours', 4)
    assert error == f'error: Cannot write {out}: No space left on device'
    assert out.read_bytes() == b'old' and set(os.listdir(tmp_path)) == before

    def interrupted(file, array):
        file.write(b'half')
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tool.np, 'save', interrupted)
        assert run(folder, '--out', out, '--colours', 4)[0] == '130'
    assert out.read_bytes() == b'old' and set(os.listdir(tmp_path)) == before

    assert run(folder, '--out', out, '--colours', 4)[0] is None
    assert np.load(out).shape == (4, 3) and set(os.listdir(tmp_path)) == before


@pytest.mark.parametrize('arguments, message', [
    (['--colours', 1], '--colours must be at least 2, got 1.'),
    (['--stride', 0], '--stride must be at least 1, got 0.'),
    (['--seed', -1], '--seed must lie between 0 and 2**32 - 1, got -1.'),
    (['--seed', 2**32], '--seed must lie between 0 and 2**32 - 1, got 4294967296.'),
    (['--colours', 9, '--pixels', 8], '--pixels 8 must not be fewer than --colours 9.'),
    (['--out', 'palette.txt'], '--out palette.txt must end in .npy.'),
    (['--colours', 5], 'The pixels have 4 different colours, fewer than the 5 asked for: give more images or ask for '
                       'fewer colours.')])
def test_mistakes(run, folder, tmp_path, arguments, message):
    error, printed, _ = run(folder, '--out', tmp_path / 'palette.npy', *arguments)
    assert error == f'error: {message}' and not printed
    assert not (tmp_path / 'palette.npy').exists()


def test_mistakes_of_the_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'file.npy').mkdir()
    (tmp_path / 'bad').mkdir()
    (tmp_path / 'bad' / 'a.png').write_text('no image')
    assert run('nowhere', '--out', 'a.npy')[0] == (f'error: There is no folder nowhere (working folder: {tmp_path}).')
    assert run('empty', '--out', 'a.npy')[0].startswith('error: No images in empty or the folders below it. Looked for')
    assert run('bad', '--out', 'a.npy')[0] == 'error: None of the images can be used: bad/a.png: not an image'


def test_a_place_that_cannot_be_written_to(run, folder, tmp_path):
    (tmp_path / 'taken').write_text('a file')
    error, _, _ = run(folder, '--out', tmp_path / 'taken' / 'palette.npy', '--colours', 4)
    assert error.startswith(f'error: Cannot write {tmp_path}/taken/palette.npy: ')
    (tmp_path / 'palette.npy').mkdir()
    error, _, _ = run(folder, '--out', tmp_path / 'palette.npy', '--colours', 4)
    assert error == f'error: Cannot write {tmp_path}/palette.npy: Is a directory'
    assert not os.listdir(tmp_path / 'palette.npy')
