"""A model's reconstructions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from torch import nn

from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from mmsimmim.visualization import (
    PictureLoader,
    draw_sheet,
    reconstruct,
    require_pixel_model,
    to_display,
)
from mmsimmim.visualization.panels import GAP, LINE, make_tiles
from mmsimmim.visualization.reconstruction import encoder_stride

from .tiny import tiny_config, write_picture

AERIAL = Path(__file__).resolve().parents[2] / 'demo' / 'data' / 'aerial' / 'val'


@pytest.fixture
def cfg(tmp_path):
    init_default_scope('mmpretrain')
    return tiny_config(tmp_path)


def build(cfg):
    torch.manual_seed(0)
    return MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))


def test_equals_the_models_own_prediction_and_loss(cfg, tmp_path):
    model = build(cfg).train()
    batch = PictureLoader(cfg, 32)(write_picture(tmp_path / 'a.png'))

    one, = reconstruct(model, batch)

    model.eval()
    images = model.data_preprocessor(dict(batch))['inputs']
    with torch.no_grad():
        torch.testing.assert_close(one.reconstruction, model.reconstruct(images, one.mask[None])[0])
        assert one.loss == pytest.approx(model.masked_loss(images, one.mask[None]).item(), rel=1e-5)
    assert one.reconstruction.shape == one.image.shape == (3, 64, 96)
    assert not one.reconstruction.requires_grad
    assert one.note == f'a.png   62% masked   masked loss {one.loss:.4f}'


def test_the_note_says_where_the_loss_looks(cfg, tmp_path):
    cfg.model.head.area = 'whole'
    model = build(cfg)
    one, = reconstruct(model, PictureLoader(cfg, 32)(write_picture(tmp_path / 'a.png')))
    assert one.loss == pytest.approx((one.reconstruction - one.image).abs().mean().item(), rel=1e-5)
    assert one.note == f'a.png   62% masked   loss of the whole image {one.loss:.4f}'


def test_modes_are_left_as_they_were(cfg, tmp_path):
    model = build(cfg).train()
    model.backbone.stages[1].eval()
    modes = [module.training for module in model.modules()]
    assert len(set(modes)) == 2

    encoder_stride(model)
    reconstruct(model, PictureLoader(cfg, 32)(write_picture(tmp_path / 'a.png')))

    assert [module.training for module in model.modules()] == modes


def test_modes_come_back_after_an_error(cfg):
    model = build(cfg).train()
    with pytest.raises(ValueError, match='needs a mask'):
        reconstruct(model, dict(inputs=torch.zeros(1, 3, 64, 64), data_samples=None))
    assert model.training


def test_encoder_stride(cfg):
    assert encoder_stride(build(cfg)) == 32
    cfg.model.backbone.update(arch=dict(embed_dims=8, depths=[2, 2], num_heads=[1, 2]), out_indices=(1, ))
    cfg.model.neck.update(in_channels=16, encoder_stride=8)
    assert encoder_stride(build(cfg)) == 8


def test_sheet_has_a_row_for_each_image_of_whatever_size(cfg, tmp_path):
    model, loader = build(cfg), PictureLoader(cfg, 32)
    sizes = (70, 90), (150, 60)
    results = [reconstruct(model, loader(write_picture(tmp_path / f'{i}.png', *size, seed=i), i))[0]
               for i, size in enumerate(sizes)]

    sheet = draw_sheet(results, model.data_preprocessor, min_side=1)

    heights = [one.image.shape[1] + 2 * (LINE + GAP) for one in results]
    assert sheet.shape == (sum(heights), GAP + 4 * (96 + GAP), 3)
    top = heights[0] + GAP + LINE
    expected = to_display(results[1].image, model.data_preprocessor)
    np.testing.assert_array_equal(sheet[top:top + 160, GAP:GAP + 64], expected)


@pytest.mark.parametrize('in_channels', [1, 4])
def test_other_numbers_of_channels(cfg, in_channels):
    cfg.model.backbone.in_channels = in_channels
    cfg.data_preprocessor = dict(type='SelfSupDataPreprocessor', mean=[100.0], std=[50.0])
    model = build(cfg)
    image = torch.randint(0, 256, (1, in_channels, 64, 64), dtype=torch.uint8)
    sample = BaseDataElement(mask=torch.ones(16, 16, dtype=torch.uint8))

    one, = reconstruct(model, dict(inputs=image, data_samples=[sample]))

    shown = to_display(one.image, model.data_preprocessor)

    expected = image[0, [0, 0, 0] if in_channels == 1 else [0, 1, 2]].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(shown, expected)
    assert draw_sheet([one], model.data_preprocessor, min_side=1).shape[1] == GAP + 4 * (64 + GAP)


def test_only_models_that_predict_colours(cfg):
    model = build(cfg)
    assert require_pixel_model(model) is model
    with pytest.raises(UserError, match='this model is a torch.*Conv2d'):
        require_pixel_model(nn.Conv2d(3, 3, 1))
    model.target_generator = nn.Softmax(1)
    with pytest.raises(UserError, match='predicts Softmax, not the colours'):
        require_pixel_model(model)


def test_normalised_predictions_are_drawn_in_colours(cfg, tmp_path):
    cfg.model.target_generator = dict(type='mmsimmim.NormalizedPixelTarget', window_size=9)
    model = build(cfg)
    assert require_pixel_model(model) is model
    batch = PictureLoader(cfg, 32)(write_picture(tmp_path / 'a.png'))
    model.reconstruct = lambda images, mask: model.target(images)

    one, = reconstruct(model, batch)

    torch.testing.assert_close(one.reconstruction, one.image)
    assert one.loss == 0
    original, _, predicted, pasted = make_tiles(one.image, one.mask, one.reconstruction, model.data_preprocessor)
    np.testing.assert_array_equal(predicted, original)
    np.testing.assert_array_equal(pasted, original)


@pytest.mark.skipif(not AERIAL.exists(), reason='demo data are not there')
def test_training_on_a_real_image_shows_in_its_reconstruction(cfg):
    cfg.model.backbone.drop_path_rate = 0.0
    model = build(cfg)
    batch = PictureLoader(cfg, 32, mask_ratio=0.5)(next(iter(sorted(AERIAL.glob('*.jpg')))))
    before, = reconstruct(model, batch)

    data = model.data_preprocessor(dict(batch))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(data['inputs'], data['data_samples'])['loss'].backward()
        optimizer.step()
    after, = reconstruct(model, batch)

    assert after.loss < 0.7 * before.loss
    original, predicted = (to_display(x, model.data_preprocessor).astype(int) for x in (after.image,
                                                                                      after.reconstruction))
    untrained = to_display(before.reconstruction, model.data_preprocessor).astype(int)
    masked = after.mask.repeat_interleave(4, 0).repeat_interleave(4, 1).bool().numpy()
    assert abs(predicted - original)[masked].mean() < 0.7 * abs(untrained - original)[masked].mean()
