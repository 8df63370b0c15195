"""Pixels drawn from images, and the palettes fitted to them."""

import itertools

import cv2
import numpy as np
import pytest

from mmsimmim.datasets import LoadImage
from mmsimmim.datasets.palette import fit_palette, sample_pixels
from mmsimmim.errors import UserError


def write(path, image):
    """Write an image, red first."""
    assert cv2.imwrite(str(path), image[..., ::-1])
    return str(path)


def noise(seed, height=20, width=30):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def means_naively(image, stride):
    """The mean colour of each whole square, as (red, green, blue)."""
    found = []
    for top, left in itertools.product(range(0, image.shape[0] - stride + 1, stride),
                                       range(0, image.shape[1] - stride + 1, stride)):
        total = [0, 0, 0]
        for y, x, c in itertools.product(range(stride), range(stride), range(3)):
            total[c] += int(image[top + y, left + x, c])
        found.append(tuple(float(np.float32(value) / np.float32(stride**2)) for value in total))
    return found


def as_tuples(pixels):
    return [tuple(pixel) for pixel in pixels.tolist()]


@pytest.mark.parametrize('stride', [1, 2, 3, 7, 20])
def test_all_pixels_of_an_image_are_its_means_over_squares(tmp_path, stride):
    image = noise(0)
    pixels, left_out = sample_pixels([write(tmp_path / 'a.png', image)], 10**6, stride)
    assert pixels.dtype == np.float32 and pixels.shape[1] == 3 and not left_out
    assert sorted(as_tuples(pixels)) == sorted(means_naively(image, stride))


@pytest.mark.parametrize('stride', [1, 4])
def test_a_draw_takes_different_squares_about_as_many_from_each_image(tmp_path, stride):
    """No colour twice, as each square of the images has a colour of its own."""
    images = [noise(seed) for seed in range(4)]
    paths = [write(tmp_path / f'{i}.png', image) for i, image in enumerate(images)]
    pixels, _ = sample_pixels(paths, 50, stride)
    drawn = as_tuples(pixels)
    assert len(drawn) == len(set(drawn)) == 50
    counts = [len(set(drawn) & set(means_naively(image, stride))) for image in images]
    assert sorted(counts) == [12, 12, 13, 13]


def test_a_draw_is_uniform_over_the_image(tmp_path):
    """Each of 600 pixels is drawn in about half of 200 draws of 300."""
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0], image[..., 1] = np.mgrid[:20, :30]
    path = write(tmp_path / 'a.png', image)
    counts = np.zeros((20, 30))
    for seed in range(200):
        for row, col, _ in sample_pixels([path], 300, seed=seed)[0].astype(int):
            counts[row, col] += 1
    assert counts.sum() == 200 * 300
    assert 60 < counts.min() and counts.max() < 140  # six deviations


def test_with_more_images_than_pixels_images_are_drawn(tmp_path):
    paths = [write(tmp_path / f'{i:02}.png', np.full((4, 4, 3), i, np.uint8)) for i in range(30)]
    found = set()
    for seed in range(20):
        pixels, _ = sample_pixels(paths, 6, seed=seed)
        assert len(np.unique(pixels, axis=0)) == 6
        found |= set(pixels[:, 0])
    assert len(found) > 25


def test_the_same_arguments_draw_the_same_pixels(tmp_path):
    paths = [write(tmp_path / f'{i}.png', noise(i)) for i in range(3)]
    first, again, other = (sample_pixels(paths, 40, 2, seed)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_unreadable_and_small_files_are_named(tmp_path):
    (tmp_path / 'broken.jpg').write_text('no image')
    paths = [write(tmp_path / 'good.png', noise(0)), str(tmp_path / 'broken.jpg'), str(tmp_path / 'gone.png'),
             write(tmp_path / 'thin.png', noise(1, 40, 3))]
    pixels, left_out = sample_pixels(paths, 10**6, stride=4)
    assert sorted(as_tuples(pixels)) == sorted(means_naively(noise(0), 4))
    assert left_out == [f'{paths[1]}: not an image', f'{paths[2]}: No such file or directory',
                        f'{paths[3]}: smaller than 4 x 4 pixels']
    with pytest.raises(UserError, match=r'None of the images can be used: .*broken.jpg: not an image; .*gone.png: No'):
        sample_pixels(paths[1:3], 100)


def test_images_are_read_as_in_training(tmp_path):
    """A loader with settings of its own, for deep images."""
    path = str(tmp_path / 'deep.png')
    cv2.imwrite(path, np.full((8, 8), 2000, np.uint16))
    assert (sample_pixels([path], 5, loader=LoadImage(max_value=4000))[0] == 128).all()
    assert (sample_pixels([path], 5)[0] == 8).all()


COLOURS = np.array([[10, 10, 12], [250, 240, 245], [200, 30, 20], [20, 180, 40], [30, 40, 220], [128, 128, 128]])


def around(colours, spread, count, seed=0):
    random = np.random.default_rng(seed)
    pixels = colours[random.integers(len(colours), size=count)] + random.normal(0, spread, (count, 3))
    return pixels.clip(0, 255).astype(np.float32)


def test_recovers_colours_that_lie_apart():
    pixels = around(COLOURS, 2, 6000)
    palette, distance = fit_palette(pixels, len(COLOURS))
    assert palette.dtype == np.float32 and palette.shape == (6, 3)
    expected = COLOURS[np.argsort(COLOURS.sum(1))]  # from dark to bright
    np.testing.assert_allclose(palette, expected, atol=0.5)
    nearest = np.sqrt(((pixels[:, None] - palette)**2).sum(2).min(1))
    assert distance == pytest.approx(np.sqrt((nearest**2).mean()), rel=1e-4)
    assert 2 < distance < 2 * 3**0.5


def test_more_colours_come_nearer():
    pixels = np.random.default_rng(0).uniform(0, 255, (4000, 3)).astype(np.float32)
    distances = [fit_palette(pixels, number)[1] for number in (4, 32, 256)]
    assert distances[0] > 1.5 * distances[1] > 2 * distances[2]


def test_the_same_pixels_make_the_same_palette():
    pixels = np.random.default_rng(0).uniform(0, 255, (3000, 3)).astype(np.float32)
    first, again, other = (fit_palette(pixels, 20, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert 0 <= first.min() and first.max() <= 255 and (np.diff(first.sum(1)) >= 0).all()


def test_as_many_colours_as_there_are():
    palette, distance = fit_palette(np.repeat(COLOURS, 50, axis=0).astype(np.float32), len(COLOURS))
    np.testing.assert_allclose(palette, COLOURS[np.argsort(COLOURS.sum(1))], atol=1e-4)
    assert distance < 1e-3


def test_fewer_colours_than_asked_for():
    with pytest.raises(UserError, match='have 6 different colours, fewer than the 7 asked for: give more images'):
        fit_palette(np.repeat(COLOURS, 50, axis=0).astype(np.float32), 7)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'sklearn.cluster', None)
    with pytest.raises(UserError, match='takes scikit-learn: pip install scikit-learn'):
        fit_palette(around(COLOURS, 2, 100), 3)
