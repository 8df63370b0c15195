"""Normalised targets against loops over pixels; the official numbers are in tests/models/test_simmim.py."""

import itertools

import pytest
import torch

from mmsimmim.models import NormalizedPixelTarget, PatchNormalizedPixelTarget
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


def normalise_patches_naively(images, size):
    out = torch.zeros_like(images)
    for image, top, left in itertools.product(range(images.shape[0]), range(0, images.shape[2], size),
                                              range(0, images.shape[3], size)):
        values = images[image, :, top:top + size, left:left + size].flatten().tolist()
        mean = sum(values) / len(values)
        variance = sum((value - mean)**2 for value in values) / (len(values) - 1)
        patch = [(value - mean) / (variance + 1e-6)**0.5 for value in values]
        out[image, :, top:top + size, left:left + size] = torch.tensor(patch).reshape(-1, size, size)
    return out


@pytest.mark.parametrize('size, channels', [(2, 1), (4, 3), (8, 4)])
def test_patches_equal_a_loop(size, channels):
    torch.set_default_dtype(torch.float64)
    try:
        images = 3 * torch.randn(2, channels, 16, 24) + 5
        target = MODELS.build(dict(type='mmsimmim.PatchNormalizedPixelTarget', patch_size=size))
        assert relative_error(target(images), normalise_patches_naively(images, size)) < 1e-12
    finally:
        torch.set_default_dtype(torch.float32)


def test_patches_are_those_of_mae():
    """Against the lines of the paper's code: values of a patch in a row, their mean and variance, 1e-6."""
    images = torch.randn(2, 3, 16, 24, dtype=torch.float64)
    rows = torch.nn.functional.unfold(images, 8, stride=8).transpose(1, 2)
    rows = (rows - rows.mean(-1, keepdim=True)) / (rows.var(-1, keepdim=True) + 1e-6)**0.5
    expected = torch.nn.functional.fold(rows.transpose(1, 2), (16, 24), 8, stride=8)
    assert relative_error(PatchNormalizedPixelTarget(8)(images), expected) < 1e-12


def test_the_default_is_the_masked_patch_of_the_paper():
    assert PatchNormalizedPixelTarget().patch_size == 32


def test_patches_restore_the_way_back():
    images = torch.randn(2, 3, 16, 24)
    target = PatchNormalizedPixelTarget(8)
    restored = target.restore(target(images), images)
    torch.testing.assert_close(restored, images)
    assert restored.dtype == torch.float32
    means = torch.nn.functional.avg_pool2d(images, 8).mean(1, keepdim=True)
    expected = means.repeat_interleave(8, 2).repeat_interleave(8, 3).expand_as(images)
    torch.testing.assert_close(target.restore(torch.zeros_like(images), images), expected)


@pytest.mark.parametrize('offset', [0., 2.64])
def test_single_precision_is_sound_where_patches_are_nearly_flat(offset):
    torch.manual_seed(0)
    images = offset + 1e-3 * torch.randn(1, 3, 16, 16)
    target = PatchNormalizedPixelTarget(8)(images)
    assert target.dtype == torch.float32
    assert relative_error(target.double(), PatchNormalizedPixelTarget(8)(images.double())) < 1e-6
    assert PatchNormalizedPixelTarget(8)(torch.full((1, 3, 16, 16), offset)).abs().max() < 1e-6


def test_patches_of_half_precision_come_out_in_single_and_without_gradient():
    images = torch.randn(1, 3, 16, 16)
    target = PatchNormalizedPixelTarget(8)
    assert torch.equal(target(images.bfloat16()), target(images.bfloat16().float()))
    assert not target(images.requires_grad_()).requires_grad


def test_patches_that_do_not_tile_the_image_are_refused():
    target = PatchNormalizedPixelTarget(32)
    for call in (target, lambda images: target.restore(images, images)):
        with pytest.raises(ValueError, match='patch_size 32 of the target must divide .* got 64 x 48 pixels'):
            call(torch.zeros(1, 3, 64, 48))


@pytest.mark.parametrize('size', [1, 0, -8, 8.0])
def test_patches_that_are_none(size):
    with pytest.raises(ValueError, match=f'patch_size must be an integer of at least 2, in pixels, got {size!r}'):
        PatchNormalizedPixelTarget(size)
