"""What three colours of 8 bits cannot hold is told, once for each folder and kind."""

import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from mmsimmim.datasets.transforms import LoadImage
from mmsimmim.datasets.transforms.loading import losses

GREY = np.arange(0, 240, dtype=np.uint16).reshape(12, 20)


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.setattr(losses, '_told', set())


def told(path, **settings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        LoadImage(**settings)(dict(img_path=str(path)))
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize('name', ['dark.png', 'dark.tif'])
def test_values_that_become_black(tmp_path, name):
    Image.fromarray(GREY).save(tmp_path / name)
    text, = told(tmp_path / name)
    assert name in text and 'values of 0 to 239, and 65535 becomes 255' in text and 'max_value=239' in text
    assert told(tmp_path / name) == []  # once for the folder
    losses._told.clear()
    assert told(tmp_path / name, max_value=239) == []


def test_values_of_the_other_byte_order_and_floats(tmp_path):
    path = tmp_path / 'dark.pgm'
    path.write_bytes(b'P5\n20 12\n65535\n' + GREY.astype('>u2').tobytes())
    assert 'values of 0 to 239' in told(path)[0]
    losses._told.clear()
    big_endian = Image.frombytes('I;16B', GREY.shape[::-1], GREY.astype('>u2').tobytes())
    assert 'of 0 to 239, and 65535' in losses._of_range(big_endian, GREY, None, True)
    floats = GREY.astype(np.float32)
    floats[0, 0] = np.nan
    assert 'of 1 to 239, and 1e+06' in losses._of_range(Image.fromarray(floats), GREY, 1e6, True)


def test_colours_of_more_bits_that_become_black(tmp_path):
    cv2.imwrite(str(tmp_path / 'dark.png'), np.stack([GREY * 8] * 3, -1))
    text, = told(tmp_path / 'dark.png')
    assert '16 bits for each colour' in text and 'they are 0 to 7' in text


def test_pages_and_transparency(tmp_path):
    pages = [Image.new('L', (8, 8), value) for value in (50, 100, 200)]
    pages[0].save(tmp_path / 'stack.tif', save_all=True, append_images=pages[1:])
    assert 'has 3 pages' in told(tmp_path / 'stack.tif')[0]
    assert LoadImage()(dict(img_path=str(tmp_path / 'stack.tif')))['img'].max() == 50
    Image.new('RGBA', (8, 8), (200, 100, 50, 30)).save(tmp_path / 'clear.png')
    assert 'transparent pixels' in told(tmp_path / 'clear.png')[0]


def test_nothing_is_told_of_ordinary_images(tmp_path):
    Image.fromarray(GREY * 257).save(tmp_path / 'full.png')
    Image.new('RGB', (8, 8)).save(tmp_path / 'black.png')
    Image.new('RGBA', (8, 8), (200, 100, 50, 255)).save(tmp_path / 'opaque.png')
    Image.new('L', (8, 8), 3).save(tmp_path / 'grey.tif')
    Image.new('RGB', (8, 8)).save(tmp_path / 'photo.jpg')
    for path in sorted(tmp_path.iterdir()):
        assert told(path) == [], path.name
