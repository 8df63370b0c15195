"""Bins of colours against NumPy on the images as they were loaded."""

import numpy as np
import pytest
import torch

from mmsimmim.models import ColourBinTarget
from tests.models.tiny import NOT_NORMALISED, build, levels, preprocess

# Means and deviations as they are used, for images scaled to 0..1, extreme ones, and one for all channels.
STATISTICS = [([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]), ([0.1, 100., 254.9], [0.3, 1., 255.]),
              ([127.], [50.]), ([1000., -1000., 0.], [1e-2, 3e3, 7.])]
PREPROCESSORS = [NOT_NORMALISED] + [
    dict(type=f'mmpretrain.{name}', mean=mean, std=std, **order) for mean, std in STATISTICS for name, order in [
        ('SelfSupDataPreprocessor', dict(bgr_to_rgb=True)), ('SelfSupDataPreprocessor', dict(bgr_to_rgb=False)),
        ('ClsDataPreprocessor', dict(to_rgb=True)), ('ClsDataPreprocessor', dict(to_rgb=False))]
] + [dict(type='mmpretrain.SelfSupDataPreprocessor', bgr_to_rgb=True)]


def rgb_of(images):
    """The channels in the order of the target, of images as loaded."""
    return images.flip(1) if images.shape[1] == 3 else images


def bin_of_each(images, num_bins):
    """Each of the 256 levels goes to the bin that its place in 0..1 says."""
    return np.floor(images.numpy().astype(np.float64) / 256 * num_bins).astype(np.int64)


@pytest.mark.parametrize('num_bins', [2, 8, 10, 256])
def test_all_levels(num_bins):
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    target = ColourBinTarget(num_bins)
    bins = target(images.float())
    assert bins.dtype == torch.int64 and target.num_classes == num_bins
    np.testing.assert_array_equal(bins.numpy(), bin_of_each(images, num_bins))
    assert bins.unique().tolist() == list(range(num_bins))
    if 256 % num_bins == 0:
        assert (bins.flatten().bincount() == 256 // num_bins).all()


@pytest.mark.parametrize('num_bins', [8, 10, 256])
@pytest.mark.parametrize('preprocessor', PREPROCESSORS, ids=str)
def test_whatever_the_preprocessor_did(preprocessor, num_bins):
    """Every level of every channel, as the pipeline loads it: blue first."""
    model = build(dict(type='mmsimmim.ColourBinTarget', num_bins=num_bins), preprocessor=preprocessor)
    images = torch.stack([torch.roll(torch.arange(256), shift).reshape(16, 16) for shift in (0, 100, 200)])
    images = images[None].to(torch.uint8)
    bins = model.target(preprocess(model, images))
    np.testing.assert_array_equal(bins.numpy(), bin_of_each(rgb_of(images), num_bins))


@pytest.mark.parametrize('num_bins', [8, 256])
@pytest.mark.parametrize('stride', [2, 4, 8, 16])
@pytest.mark.parametrize('preprocessor', [*PREPROCESSORS[:3], PREPROCESSORS[13]],
                         ids=['not normalised', 'rgb', 'bgr', 'extreme'])
def test_of_means_over_squares(stride, num_bins, preprocessor):
    """Means of four pixels often lie in the middle between two levels, where nothing but exact numbers decides."""
    model = build(dict(type='mmsimmim.ColourBinTarget', num_bins=num_bins, stride=stride), preprocessor=preprocessor)
    images = levels(size=(32, 48))
    bins = model.target(preprocess(model, images))
    raw = rgb_of(images).numpy().astype(np.float64)
    means = raw.reshape(2, 3, 32 // stride, stride, 48 // stride, stride).mean((3, 5))
    np.testing.assert_array_equal(bins.numpy(), np.floor(np.round(means) / 256 * num_bins))


@pytest.mark.parametrize('channels', [1, 4])
def test_images_of_other_channels_keep_their_order(channels):
    model = build(dict(type='mmsimmim.ColourBinTarget', num_bins=256), in_channels=channels,
                  preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', mean=[10.] * channels, std=[3.] * channels,
                                    to_rgb=True))
    images = levels(channels=channels)
    assert torch.equal(model.target(preprocess(model, images)), images.long())
    assert model.neck.decoder[0].out_channels == 32**2 * 256 * channels


def test_range_of_other_images():
    target = ColourBinTarget(num_bins=4, value_range=(-1., 1.))
    images = torch.tensor([-5., -1., -0.51, -0.49, 0.49, 0.51, 1., 7.]).reshape(1, 1, 2, 4)
    assert target(images).flatten().tolist() == [0, 0, 0, 1, 2, 3, 3, 3]


def one_hot(bins, num_bins):
    """Scores (B, C * K, h, w), highest at the bins (B, C, h, w)."""
    return torch.nn.functional.one_hot(bins, num_bins).permute(0, 1, 4, 2, 3).flatten(1, 2).float()


@pytest.mark.parametrize('stride', [1, 4])
@pytest.mark.parametrize('num_bins', [2, 8, 256])
def test_restore_gives_the_middle_of_each_bin(num_bins, stride):
    target = ColourBinTarget(num_bins, stride)
    colours = levels().float()
    bins = target(colours)
    restored = target.restore(one_hot(bins, num_bins), colours)
    first, last = (torch.floor(edge * 256 / num_bins) for edge in (bins, bins + 1))
    middles = ((first + last - 1) / 2).repeat_interleave(stride, 2).repeat_interleave(stride, 3)
    torch.testing.assert_close(restored, middles, rtol=0, atol=1e-4)
    if num_bins == 256 and stride == 1:
        torch.testing.assert_close(restored, colours, rtol=0, atol=1e-4)


def test_restore_of_another_range():
    target = ColourBinTarget(num_bins=256, value_range=(-1., 1.))
    images = torch.linspace(-1, 1, 256).reshape(1, 1, 16, 16)
    torch.testing.assert_close(target.restore(one_hot(target(images), 256), images), images, rtol=0, atol=1e-6)


@pytest.mark.parametrize('preprocessor', [NOT_NORMALISED, *PREPROCESSORS[1:5]], ids=str)
def test_pictures_come_back_in_the_colours_of_the_model(preprocessor):
    model = build(dict(type='mmsimmim.ColourBinTarget', num_bins=256), preprocessor=preprocessor)
    images = preprocess(model, levels())
    pictures = model.to_colours(one_hot(model.target(images), 256), images)
    deviation = getattr(model.data_preprocessor, 'std', torch.ones(3, 1, 1))
    assert ((pictures - images).abs() * deviation).max() < 1e-2  # of the 255 levels


@pytest.mark.parametrize('kwargs, message', [
    (dict(num_bins=1), 'num_bins must be an integer from 2 to 256, got 1'), (dict(num_bins=257), 'num_bins .* got 257'),
    (dict(num_bins=8.), 'num_bins .* got 8.0'), (dict(stride=0), 'stride .* got 0'),
    (dict(value_range=(255, 0)), r'value_range must be two numbers.* got \(255, 0\)'),
    (dict(value_range=(0, 1, 2)), 'value_range')])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ColourBinTarget(**kwargs)


def test_squares_that_do_not_tile_the_image():
    with pytest.raises(ValueError, match='stride 5 of the target must divide'):
        ColourBinTarget(stride=5)(torch.zeros(1, 3, 16, 16))
