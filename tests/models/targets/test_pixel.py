"""Means over squares against a loop over pixels."""

import itertools

import pytest
import torch

from mmsimmim.models import PixelTarget
from mmsimmim.registry import MODELS


def average_naively(images, stride):
    out = torch.zeros(*images.shape[:2], images.shape[2] // stride, images.shape[3] // stride, dtype=torch.float64)
    for image, channel in itertools.product(range(images.shape[0]), range(images.shape[1])):
        pixels = images[image, channel].tolist()
        for i, j in itertools.product(range(out.shape[2]), range(out.shape[3])):
            square = [pixels[i * stride + y][j * stride + x] for y in range(stride) for x in range(stride)]
            out[image, channel, i, j] = sum(square) / stride**2
    return out


@pytest.mark.parametrize('stride, size', [(1, 192), (2, 96), (4, 48), (8, 24), (16, 12), (32, 6)])
def test_equals_a_loop_over_pixels(stride, size):
    images = torch.randn(1, 3, 192, 192, dtype=torch.float64)
    target = MODELS.build(dict(type='mmsimmim.PixelTarget', stride=stride))
    out = target(images)
    assert out.shape == (1, 3, size, size) and target.out_channels(3) == 3 and target.num_classes is None
    torch.testing.assert_close(out, average_naively(images, stride), rtol=0, atol=1e-13)
    torch.testing.assert_close(target(images.float()), out.float(), rtol=1e-5, atol=1e-6)


def test_rectangles_and_any_number_of_channels():
    images = torch.randn(2, 4, 12, 30, dtype=torch.float64)
    torch.testing.assert_close(PixelTarget(6)(images), average_naively(images, 6), rtol=0, atol=1e-13)


def test_the_default_is_the_image_itself():
    images = torch.randn(1, 3, 7, 9)
    assert torch.equal(PixelTarget()(images), images)


@pytest.mark.parametrize('stride', [1, 4])
def test_restore_fills_each_square_with_its_mean(stride):
    images = torch.randn(2, 3, 8, 12)
    target = PixelTarget(stride)
    means = target(images)
    restored = target.restore(means, images)
    assert restored.shape == images.shape
    for i, j in itertools.product(range(8), range(12)):
        assert torch.equal(restored[:, :, i, j], means[:, :, i // stride, j // stride])


@pytest.mark.parametrize('stride', [0, -1, 2.0, '4', True, None])
def test_strides_that_are_none(stride):
    with pytest.raises(ValueError, match=f'stride must be an integer of at least 1, in pixels, got {stride!r}'):
        PixelTarget(stride)


def test_squares_that_do_not_tile_the_image():
    with pytest.raises(ValueError, match='stride 32 of the target must divide the sides of the images, got 64 x 48'):
        PixelTarget(32)(torch.zeros(1, 3, 64, 48))
