"""The locally normalised target against a loop over pixels; the official numbers are in tests/models/test_simmim.py."""

import itertools

import pytest
import torch

from mmsimmim.models import NormalizedPixelTarget
from mmsimmim.registry import MODELS
from tests.golden import relative_error


def normalise_naively(images, window):
    out, reach = torch.zeros_like(images), window // 2
    for image, channel in itertools.product(range(images.shape[0]), range(images.shape[1])):
        for i, j in itertools.product(range(images.shape[2]), range(images.shape[3])):
            around = images[image, channel, max(i - reach, 0):i + reach + 1, max(j - reach, 0):j + reach + 1]
            pixel = images[image, channel, i, j]
            out[image, channel, i, j] = (pixel - around.mean()) / (around.var(unbiased=True) + 1e-6).sqrt()
    return out


@pytest.mark.parametrize('window', [3, 5, 47])
def test_equals_a_loop_over_pixels(window):
    images = torch.randn(2, 3, 9, 14, dtype=torch.float64)
    target = MODELS.build(dict(type='mmsimmim.NormalizedPixelTarget', window_size=window))
    assert relative_error(target(images), normalise_naively(images, window)) < 1e-9


def test_the_default_is_the_official_window():
    assert NormalizedPixelTarget().window_size == 47


@pytest.mark.parametrize('offset', [0., 2.64])
def test_single_precision_is_sound_where_images_are_nearly_flat(offset):
    """Sky in normalised colours: its variance is less than float32 resolves of its squares."""
    torch.manual_seed(0)
    images = offset + 1e-3 * torch.randn(1, 3, 40, 40)
    target = NormalizedPixelTarget(11)(images)
    assert target.dtype == torch.float32
    assert relative_error(target.double(), normalise_naively(images.double(), 11)) < 1e-6
    flat = NormalizedPixelTarget(11)(torch.full((1, 3, 40, 40), offset))
    assert flat.abs().max() < 1e-6


def test_half_precision_comes_out_in_single():
    images = torch.randn(1, 3, 16, 16)
    target = NormalizedPixelTarget(5)
    assert torch.equal(target(images.bfloat16()), target(images.bfloat16().float()))
    expected = target(images)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(target(images), expected)


def test_no_gradient_flows_through_the_target():
    images = torch.randn(1, 3, 16, 16, requires_grad=True)
    assert not NormalizedPixelTarget(5)(images).requires_grad


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_restore_is_the_way_back(dtype):
    images = torch.randn(2, 3, 24, 30, dtype=dtype)
    target = NormalizedPixelTarget(7)
    restored = target.restore(target(images), images)
    torch.testing.assert_close(restored, images)
    zeros = torch.zeros_like(images)
    mean = torch.nn.functional.avg_pool2d(images, 7, 1, 3, count_include_pad=False)
    torch.testing.assert_close(target.restore(zeros, images), mean, rtol=1e-4, atol=1e-6)
    assert restored.dtype == dtype


@pytest.mark.parametrize('window', [0, 1, 2, 46, -3])
def test_windows_without_middle_or_neighbours_are_refused(window):
    with pytest.raises(ValueError, match=f'window_size {window} must be odd and at least 3'):
        NormalizedPixelTarget(window)
