"""Several models under one mask."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmsimmim.registry import MODELS
from mmsimmim.visualization.comparison import (
    Comparison,
    Outcome,
    compare,
    draw_comparisons,
    masked_difference,
    uses_image_statistics,
)
from mmsimmim.visualization.comparison_table import make_records, make_table
from mmsimmim.visualization.panels import GAP, LINE
from mmsimmim.visualization.pixel_masks import mask_settings

from .tiny import tiny_config

SETTING, WIDE = mask_settings(dict(type='mmsimmim.SimMIMMaskGenerator'), None, [16, 32], [0.5])
VIT = dict(
    type='mmsimmim.VisionTransformer', img_size=64, patch_size=16,
    arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32))


@pytest.fixture
def cfg(tmp_path):
    init_default_scope('mmpretrain')
    return tiny_config(tmp_path)


@pytest.fixture
def image():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8))


def build(cfg, seed=0, **changes):
    torch.manual_seed(seed)
    return MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor, **changes)).eval()


def with_vit(cfg, seed=0):
    head = dict(cfg.model.head, patch_size=16)
    return build(cfg, seed, backbone=VIT, head=head,
                 neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=16, encoder_stride=16))


def plain(model, image, mask):
    """(loss, picture) of an L1 model of RGB pixels, computed pixel by pixel in float64."""
    mean, std = (np.array(values).reshape(3, 1, 1) for values in ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]))
    rgb = image[0].numpy()[::-1].astype(np.float64)
    target = (rgb - mean) / std
    side = model.head.patch_size
    with torch.no_grad():
        prediction = model.reconstruct(
            torch.from_numpy(target).float()[None], torch.from_numpy(mask[::side, ::side].copy())[None])[0].numpy()
    masked = mask.astype(bool)
    loss = sum(np.abs(prediction[c][masked] - target[c][masked]).sum() for c in range(3)) / (3 * masked.sum())
    picture = (prediction.astype(np.float64) * std + mean).round().clip(0, 255)
    difference = np.abs(picture - rgb).transpose(1, 2, 0)[masked].mean()
    return loss, picture.transpose(1, 2, 0), difference


def test_equals_a_plain_computation_for_tokens_of_any_size(cfg, image):
    models = build(cfg, seed=1), with_vit(cfg, seed=2)
    one = compare(models, image, SETTING, 'a.png', seed=4, index=2)

    mask = SETTING.draw(64, 96, 4, 2)
    np.testing.assert_array_equal(one.mask, mask)
    np.testing.assert_array_equal(one.original, image[0].numpy()[::-1].transpose(1, 2, 0))
    assert one.share == 0.5 and one.image == 'a.png'
    for model, outcome in zip(models, one.outcomes):
        loss, picture, difference = plain(model, image, mask)
        assert outcome.loss == pytest.approx(loss, rel=1e-5)
        assert np.abs(outcome.picture - picture).max() <= 1  # float32 may round the other way
        assert outcome.difference == pytest.approx(difference, abs=0.01)


def test_models_see_the_same_pixels_hidden(cfg, image):
    seen = []
    models = build(cfg), with_vit(cfg)
    for model in models:
        model.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    one = compare(models, image, SETTING)
    (images, fine), (images_again, coarse) = seen
    torch.testing.assert_close(images, images_again, rtol=0, atol=0)
    assert fine.shape == (1, 16, 24) and coarse.shape == (1, 4, 6)
    for side, tokens in (4, fine), (16, coarse):
        pixels = tokens[0].repeat_interleave(side, 0).repeat_interleave(side, 1)
        np.testing.assert_array_equal(pixels.numpy(), one.mask)


def test_a_model_of_the_whole_image_is_measured_where_masked(cfg, image):
    masked, whole = build(cfg), build(cfg, head=dict(cfg.model.head, area='whole'))
    first, second = compare([masked, whole], image, SETTING).outcomes
    assert first.loss == second.loss
    assert whole.head.area == 'whole'


def test_each_normalisation_is_undone(cfg, image):
    other = dict(mean=[100.0, 110.0, 120.0], std=[40.0, 50.0, 60.0])  # and BGR
    models = build(cfg), build(tiny_config('', preprocessor=other))
    for model in models:
        model.reconstruct = lambda images, mask: images + 1  # one deviation too bright
    first, second = compare(models, image // 2, SETTING).outcomes
    rgb = (image // 2)[0].numpy()[::-1].transpose(1, 2, 0)
    assert np.abs(first.picture - (rgb + [58.395, 57.12, 57.375]).round()).max() <= 1
    assert np.abs(second.picture - (rgb + [60, 50, 40])).max() <= 1


def test_targets_of_other_kinds_are_shown(cfg, image):
    bins = dict(target_generator=dict(type='mmsimmim.ColourBinTarget', num_bins=4, stride=4),
                head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                          loss=dict(type='mmsimmim.CrossEntropyReconstructionLoss')))
    models = [build(cfg, **bins), build(cfg, target_generator=dict(type='mmsimmim.PixelTarget', stride=8)),
              build(cfg, target_generator=dict(type='mmsimmim.PatchNormalizedPixelTarget', patch_size=16))]
    assert [uses_image_statistics(model) for model in models] == [False, False, True]
    for model in models[1:]:
        model.reconstruct = lambda images, mask, model=model: model.target(images)

    of_bins, coarse, normalised = compare(models, image, SETTING).outcomes

    middles = {round((i + 0.5) * 64 - 0.5) for i in range(4)}
    assert set(np.unique(of_bins.picture)) <= middles
    means = image[0].numpy()[::-1].reshape(3, 8, 8, 12, 8).mean((2, 4)).repeat(8, 1).repeat(8, 2).transpose(1, 2, 0)
    assert np.abs(coarse.picture - means).max() < 0.51
    assert coarse.loss == 0 < coarse.difference
    assert normalised.loss == 0 == normalised.difference


def test_masked_patches_smaller_than_tokens(cfg, image):
    tiny, = mask_settings(dict(type='mmsimmim.SimMIMMaskGenerator'), ['random'], [8])
    with pytest.raises(ValueError, match='cuts through tokens of 16 pixels'):
        compare([with_vit(cfg)], image, tiny)


def test_difference_is_a_mean_over_masked_pixels_and_channels():
    original = np.zeros((2, 2, 3), dtype=np.uint8)
    picture = np.array([[[255, 0, 0], [9, 9, 9]], [[1, 2, 3], [7, 7, 7]]], dtype=np.uint8)
    mask = np.array([[1, 0], [1, 0]], dtype=np.uint8)
    assert masked_difference(picture, original, mask) == 261 / 6
    assert masked_difference(original, picture, mask) == 261 / 6


def synthetic(image, setting, *measures, side=32):
    original, picture = np.full((side, side, 3), 50, dtype=np.uint8), np.full((side, side, 3), 90, dtype=np.uint8)
    return Comparison(image, setting, setting.draw(side, side), original,
                      [Outcome(picture + np.uint8(i), *measure) for i, measure in enumerate(measures)])


def test_sheet(cfg):
    one = synthetic('a.png', SETTING, (1.0, 2.0), (3.0, 4.0))
    sheet = draw_comparisons([one, one], ['A', 'B'], min_side=1)
    pasted = draw_comparisons([one], ['A', 'B'], with_visible=True, min_side=1)

    height = 32 + 2 * (GAP + LINE)
    assert sheet.shape == (2 * height, GAP + 4 * (32 + GAP), 3)
    np.testing.assert_array_equal(sheet[:height], sheet[height:])
    masked = one.mask.astype(bool)
    tiles = [[row[GAP + LINE:][:32, GAP + i * (32 + GAP):][:, :32] for i in range(4)] for row in (sheet, pasted)]
    for original, hidden, *_ in tiles:
        assert (original == 50).all() and (hidden[masked] == 128).all() and (hidden[~masked] == 50).all()
    for i, (bare, joined) in enumerate(zip(tiles[0][2:], tiles[1][2:])):
        assert (bare == 90 + i).all() and (joined[masked] == 90 + i).all() and (joined[~masked] == 50).all()


def test_table_and_means():
    found = [synthetic('a|b.png', SETTING, (1.0, 20.0)), synthetic('a|b.png', WIDE, (5.0, 6.0)),
             synthetic('c.png', SETTING, (2.0, 30.0)), synthetic('c.png', WIDE, (7.0, 8.0), side=64)]
    lines = list(make_table(found, ['A']))
    assert lines[0] == '| image | mask | masked | AvgDist | A: loss | A: diff. |'
    assert lines[2].startswith(r'| a\|b.png | random, 16 px | 50% |') and lines[2].endswith('| 1.0000 | 20.00 |')
    assert lines[6].startswith('| mean of 2 | random, 16 px | 50% |') and lines[6].endswith('| 1.5000 | 25.00 |')
    # a single patch of 32 px is masked whole, two of four are half
    assert lines[7].startswith('| mean of 2 | random, 32 px | 75% | nan |') and lines[7].endswith('| 6.0000 | 7.00 |')
    assert len(lines) == 8
    assert len(list(make_table(found[:2], ['A']))) == 4

    records = make_records(found, ['A'])
    assert [(one['image'], one['mask_patch_size'], one['loss']) for one in records['images']] == [
        ('a|b.png', 16, 1.0), ('a|b.png', 32, 5.0), ('c.png', 16, 2.0), ('c.png', 32, 7.0)]
    assert records['images'][1]['avg_dist'] is None and records['images'][0]['avg_dist'] >= 1
    assert records['images'][3]['size'] == [64, 64]
    assert [(one['images'], one['loss'], one['difference'], one['share']) for one in records['means']] == [
        (2, 1.5, 25.0, 0.5), (2, 6.0, 7.0, 0.75)]


def test_losses_that_are_not_finite_are_no_json():
    one, = make_records([synthetic('a.png', SETTING, (float('nan'), 3.0))], ['A'])['means']
    assert one['loss'] is None and one['difference'] == 3.0
