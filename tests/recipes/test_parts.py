"""The parts of the rule, against numbers worked out otherwise."""

import math

import pytest

from mmsimmim import architectures
from mmsimmim.datasets.transforms.loading.image_bytes import MAX_PIXELS
from mmsimmim.errors import UserError
from mmsimmim.recipes import Encoder, images_in, rule, seconds_for
from mmsimmim.recipes.crops import (
    READ_PIXELS,
    ImageSizes,
    choose_crop_range,
    choose_mask_patch,
    choose_mask_ratio,
    choose_side,
)
from mmsimmim.recipes.precision import fast_precision

SWIN, VIT = Encoder.of('swin', 'tiny'), Encoder.of('vit', 'base')


@pytest.mark.parametrize(('family', 'arch', 'millions', 'stride'), [
    ('swin', 'tiny', 27.5, 32), ('swin', 'base', 86.7, 32), ('swin', 'large', 195.0, 32), ('swinv2', 'huge', 655, 32),
    ('vit', 'base', 85.8, 16), ('vit', 'deit-tiny', 5.5, 16), ('vit', 'deit-small', 21.6, 16)])
def test_weights_are_those_of_the_papers(family, arch, millions, stride):
    encoder = Encoder.of(family, arch)
    assert encoder.parameters / 1e6 == pytest.approx(millions, rel=0.02)
    assert encoder.stride == stride


def test_every_named_encoder_is_known_and_others_are_told():
    for family, sizes in (('swin', architectures.SWIN), ('swinv2', architectures.SWIN_V2), ('vit', architectures.VIT)):
        for name in sizes:
            assert Encoder.of(family, name).parameters > 5e5
    for family, arch, message in (('resnet', '50', 'no family'), ('swin', 'enormous', 'no swin'),
                                  ('swin', dict(depths=[2, 2]), "lack 'embed_dims'")):
        with pytest.raises(UserError, match=message):
            Encoder.of(family, arch)


def test_windows_fit_the_last_map():
    assert [SWIN.window_size(side) for side in (32, 64, 96, 128, 192, 224)] == [4, 4, 6, 4, 6, 7]
    assert Encoder.of('swinv2', 'base').window_size(192) == Encoder.of('swin', 'large').window_size(192) == 12
    assert VIT.window_size(224) is None


@pytest.mark.parametrize(('short', 'side'), [(10, 32), (32, 32), (63, 32), (100, 96), (200, 192), (5000, 192)])
def test_crops_are_filled_by_the_images(short, side):
    assert choose_side(ImageSizes(short, short), SWIN) == side


@pytest.mark.parametrize(('side', 'encoder', 'patch'), [
    (192, SWIN, 32), (224, VIT, 32), (224, SWIN, 32), (64, SWIN, 16), (96, SWIN, 16), (128, SWIN, 32), (160, SWIN, 32),
    (256, SWIN, 64), (384, SWIN, 64), (32, SWIN, 8), (32, VIT, 16)])
def test_masked_patches_follow_the_crop(side, encoder, patch):
    assert choose_mask_patch(side, encoder) == patch


def test_masked_patches_follow_small_objects():
    assert choose_mask_patch(192, SWIN, 200) == 32
    assert choose_mask_patch(192, SWIN, 15) == 16 and choose_mask_ratio(192, 16) == 0.6
    assert choose_mask_patch(192, SWIN, 3) == 4 and choose_mask_ratio(192, 4) == 0.8


def test_crops_show_small_objects_no_smaller_than_patches():
    photographs = ImageSizes(280, 280)
    assert choose_crop_range(photographs, 192, object_size=100) == (0.67, 1.0)
    assert choose_crop_range(photographs, 192, object_size=20) == (0.25, 1.0)
    assert choose_crop_range(photographs, 192, object_size=5) == (0.2, 1.0)


def test_crops_of_large_and_of_long_images():
    assert choose_crop_range(None, 192) == choose_crop_range(ImageSizes(375, 500), 192) == (0.67, 1.0)
    smallest, largest = choose_crop_range(ImageSizes(3000, 4000), 192)
    # the smallest crop is shrunk to a quarter, the largest to an eighth
    assert math.sqrt(12e6 * smallest) / 192 == pytest.approx(4, rel=0.02)
    assert math.sqrt(12e6 * largest) / 192 == pytest.approx(8, rel=0.02)
    smallest, largest = choose_crop_range(ImageSizes(100, 1000), 96)
    # as high as the image, four thirds as wide
    assert largest == pytest.approx(100 * 400 / 3 / 1e5, rel=0.03)
    assert smallest == pytest.approx(0.67 * largest, rel=0.03)


def test_what_is_too_large_is_what_the_loader_refuses():
    assert READ_PIXELS == MAX_PIXELS


def test_time_and_images_are_inverse():
    assert images_in(2, 100) == 2 * 3600 * 100 * 9 // 10
    assert seconds_for(images_in(2, 100), 100) == pytest.approx(7200)
    for hours, speed in ((0, 1), (1, 0), (-1, 1), (float('inf'), 1)):
        with pytest.raises(UserError):
            images_in(hours, speed)


def test_bf16_where_the_cpu_has_it(tmp_path):
    path = tmp_path / 'cpuinfo'
    path.write_text('flags : sse avx2 avx512_bf16\n')
    assert fast_precision(True, path) == fast_precision(False, tmp_path / 'missing') == 'bf16'
    path.write_text('flags : sse avx2\n')
    assert fast_precision(True, path) == fast_precision(True, tmp_path / 'missing') == 'fp32'


@pytest.mark.parametrize(('batch', 'rounded'), [(1, 1), (7, 7), (9, 8), (31, 28), (47.9, 40), (2048, 2048), (127, 112)])
def test_batches_are_short_numbers(batch, rounded):
    assert rule.round_down(batch) == rounded


def test_images_to_see_in_steps_are_those_that_give_the_steps():
    for steps in (100, 1000, 20_000, 62_500, 200_000):
        for batch in (None, 64):
            seen = rule.seen_in(steps, batch)
            assert rule.steps_for(seen, batch or rule.batch_for(seen)) == pytest.approx(steps, rel=0.26)
