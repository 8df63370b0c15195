"""Recipes are run: encoder, masks and schedule as MMEngine and our modules take them."""

import numpy as np
import pytest
import torch

from mmsimmim.engine.schedulers import WarmupCosineLR, WarmupMultiStepLR
from mmsimmim.models import SimMIM
from mmsimmim.recipes import Encoder, Machine, choose_recipe
from mmsimmim.recipes.rule import IMAGES
from mmsimmim.registry import MODELS, TRANSFORMS

SIZES = {
    'swin': dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2]),
    'swinv2': dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2]),
    'vit': dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32),
}
TYPES = {'swin': 'SwinTransformer', 'swinv2': 'SwinTransformerV2', 'vit': 'VisionTransformer'}


def simmim(recipe, family, encoder):
    backbone = dict(type=f'mmsimmim.{TYPES[family]}', arch=SIZES[family], img_size=recipe.img_size,
                    drop_path_rate=recipe.drop_path_rate)
    backbone |= dict(out_type='featmap', patch_size=16) if family == 'vit' else dict(window_size=recipe.window_size)
    channels = 16 if family == 'vit' else 64
    return MODELS.build(dict(
        type='mmsimmim.SimMIM', backbone=backbone,
        neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=channels, encoder_stride=encoder.stride),
        head=dict(type='mmsimmim.SimMIMHead', patch_size=encoder.patch_size,
                  loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'))))


@pytest.mark.parametrize('family', SIZES)
@pytest.mark.parametrize('side', [20, 64, 100, 130, 5000])
def test_encoder_and_masks_fit_the_recipe(family, side):
    encoder = Encoder.of(family, SIZES[family])
    recipe = choose_recipe(350, [(side, side)], encoder, img_size=192 if side == 5000 else None)
    generator = TRANSFORMS.build(dict(
        type='mmsimmim.SimMIMMaskGenerator', input_size=recipe.img_size, mask_patch_size=recipe.mask_patch_size,
        model_patch_size=encoder.patch_size, mask_ratio=recipe.mask_ratio))
    mask = torch.from_numpy(generator.draw(np.random.RandomState(0)))[None]
    model: SimMIM = simmim(recipe, family, encoder)
    loss = model.masked_loss(torch.zeros(1, 3, recipe.img_size, recipe.img_size), mask)
    assert loss.isfinite() and 0.5 <= mask.float().mean() < 1


def rates(scheduler, recipe, every):
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=recipe.lr)
    settings = dict(warmup=recipe.warmup_iters, warmup_ratio=recipe.warmup_ratio, end=recipe.max_iters, by_epoch=False)
    scheduler = scheduler(optimizer, **settings, **every)
    values = []
    for _ in range(recipe.max_iters):
        values.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return values


def test_rates_rise_to_the_peak_and_fall_to_the_end():
    recipe = choose_recipe(350, steps=1000)
    values = rates(WarmupCosineLR, recipe, dict(min_ratio=recipe.min_ratio))
    assert values[0] == pytest.approx(recipe.lr * recipe.warmup_ratio)
    assert 0.96 * recipe.lr < max(values) <= recipe.lr and abs(np.argmax(values) - recipe.warmup_iters) <= 1
    assert values[-1] == pytest.approx(recipe.lr * recipe.min_ratio, rel=1e-3)


def test_the_longest_runs_end_at_a_tenth():
    recipe = choose_recipe(IMAGES, epochs=800, machine=Machine('cuda', 16))
    assert recipe.schedule == 'step' and recipe.milestone_iters == 437_500
    short = choose_recipe(350, steps=800)
    values = rates(WarmupMultiStepLR, short, dict(milestones=[700], gamma=0.1))
    assert values[690] == pytest.approx(short.lr) and values[-1] == pytest.approx(short.lr / 10)
