"""The recipe: published numbers at published sizes, and what follows images, time, machine and what was given."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mmsimmim.errors import UserError
from mmsimmim.recipes import Encoder, Machine, choose_recipe
from mmsimmim.recipes.rule import IMAGES

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'pretrain'
SIXTEEN_GPUS = Machine('cuda', devices=16, largest_batch=128)
EPOCH = IMAGES // 2048
SMALL = Encoder.of('swin', dict(embed_dims=24, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8]))
PHOTOS = [(160, 213)] * 3


def published(name):
    """What a shipped config of a published run says."""
    cfg = Config.fromfile(CONFIGS / f'simmim_{name}.py')
    schedule, optimizer = cfg.param_scheduler, cfg.optim_wrapper
    pipeline, mask = cfg.train_dataloader.dataset.pipeline, cfg.train_dataloader.collate_fn.mask
    return dict(
        img_size=cfg.model.backbone.img_size, window_size=cfg.model.backbone.get('window_size'),
        mask_patch_size=mask.mask_patch_size, mask_ratio=mask.mask_ratio,
        crop_ratio_range=tuple(pipeline[0].crop_ratio_range), device_batch=cfg.train_dataloader.batch_size,
        batch_size=cfg.auto_scale_lr.base_batch_size, accumulation=1, steps=cfg.train_cfg.max_epochs * EPOCH,
        lr=optimizer.optimizer.lr, schedule='step' if 'milestones' in schedule else 'cosine',
        warmup=schedule.warmup * EPOCH, warmup_ratio=schedule.warmup_ratio,
        milestone=schedule.milestones[0] * EPOCH if 'milestones' in schedule else None,
        weight_decay=optimizer.optimizer.weight_decay, clip_grad=optimizer.clip_grad.max_norm,
        drop_path_rate=cfg.model.backbone.drop_path_rate, precision='bf16')


@pytest.mark.parametrize(('name', 'family', 'arch', 'epochs'), [
    ('swin-base-w6_16xb128-amp-coslr-100e_in1k-192px', 'swin', 'base', 100),
    ('swin-base-w6_16xb128-amp-steplr-800e_in1k-192px', 'swin', 'base', 800),
    ('swin-large-w12_16xb128-amp-steplr-800e_in1k-192px', 'swin', 'large', 800),
    ('vit-base-p16_16xb128-amp-steplr-800e_in1k-224px', 'vit', 'base', 800),
    ('swinv2-base-w12_16xb128-amp-steplr-800e_in1k-192px', 'swinv2', 'base', 800),
])
def test_published_sizes_give_the_published_recipes(name, family, arch, epochs):
    recipe = choose_recipe(IMAGES, [(375, 500)], Encoder.of(family, arch), SIXTEEN_GPUS, epochs=epochs)
    wanted = published(name)
    for key, value in wanted.items():
        assert getattr(recipe, key) == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), key
    assert recipe.epochs == epochs and not recipe.warnings
    if epochs == 100:
        schedule = Config.fromfile(CONFIGS / f'simmim_{name}.py').param_scheduler
        assert recipe.min_ratio == pytest.approx(schedule.min_ratio, rel=1e-12)


def test_of_all_of_imagenet_a_hundred_epochs_are_chosen():
    given = choose_recipe(IMAGES, encoder=Encoder.of('swin', 'base'), machine=SIXTEEN_GPUS, epochs=100)
    chosen = choose_recipe(IMAGES, encoder=Encoder.of('swin', 'base'), machine=SIXTEEN_GPUS)
    assert (chosen.steps, chosen.batch_size, chosen.lr) == (given.steps, given.batch_size, given.lr)


@pytest.mark.parametrize('machine', [Machine(), Machine(cores=8), Machine('cuda'), SIXTEEN_GPUS])
def test_more_images_are_seen_more_often_in_all_and_less_often_each(machine):
    numbers = sorted({round(10**(power / 20)) for power in range(141)})
    recipes = [choose_recipe(number, PHOTOS, SMALL, machine) for number in numbers]
    for few, more in zip(recipes, recipes[1:]):
        assert few.images_seen <= more.images_seen and few.batch_size <= more.batch_size
        # whole steps and batches of 4, 5, 6 or 7 times a power of two do not divide all numbers
        assert more.epochs <= few.epochs * 1.26
    assert recipes[0].epochs > 10 * recipes[-1].epochs


@pytest.mark.parametrize('num_images', [100, 1515, IMAGES])
def test_more_time_is_used_and_not_exceeded(num_images):
    machine = Machine(cores=2, images_per_second=300)
    hours = [10**(power / 8) for power in range(-24, 33)]
    recipes = [choose_recipe(num_images, PHOTOS, SMALL, machine, hours=time) for time in hours]
    for short, long in zip(recipes, recipes[1:]):
        # where the batch takes its next round number, the steps fall by as much at most
        assert short.images_seen <= long.images_seen and short.steps <= 1.26 * long.steps
    assert all(recipe.seconds <= 3600 * time for recipe, time in zip(recipes, hours) if recipe.steps > 1)
    default = choose_recipe(num_images, PHOTOS, SMALL, machine)
    assert recipes[0].images_seen < default.images_seen
    if num_images < IMAGES:
        assert default.images_seen < recipes[-1].images_seen < 10 * default.images_seen


def test_time_is_used_to_a_great_part():
    machine = Machine(cores=2, images_per_second=300)
    for hours in (0.05, 0.1, 0.2):
        recipe = choose_recipe(10_000, PHOTOS, SMALL, machine, hours=hours)
        assert 0.95 * 3600 * hours < recipe.seconds <= 3600 * hours


def test_batch_of_a_cpu_follows_its_cores_and_of_a_gpu_its_memory():
    one, many = (choose_recipe(350, PHOTOS, SMALL, Machine(cores=cores)) for cores in (1, 64))
    assert one.batch_size < many.batch_size == many.device_batch
    assert many.batch_size > 2 * one.batch_size and many.steps > 4_000
    few = choose_recipe(100, PHOTOS, SMALL, Machine(cores=64))
    assert few.batch_size < many.batch_size and few.steps > 4_000
    large = choose_recipe(IMAGES, PHOTOS, SMALL, Machine(cores=2))
    assert (large.batch_size, large.device_batch, large.accumulation) == (2048, 128, 16)
    assert (large.max_iters, large.warmup_iters) == (62_500 * 16, 6_250 * 16)
    gpus = choose_recipe(IMAGES, PHOTOS, SMALL, Machine('cuda', devices=2, largest_batch=100))
    assert gpus.device_batch <= 100 and gpus.device_batch * gpus.accumulation * 2 == gpus.batch_size
    assert 2048 * 0.98 < gpus.batch_size <= 2048
    assert choose_recipe(350, PHOTOS, SMALL, Machine('cuda', largest_batch=3)).device_batch <= 3


def test_what_is_given_stays_and_the_rest_follows():
    recipe = choose_recipe(350, PHOTOS, SMALL, steps=1000, batch_size=64, lr=3e-4, img_size=64, mask_patch_size=16,
                           mask_ratio=0.5)
    assert (recipe.steps, recipe.batch_size, recipe.lr, recipe.warmup) == (1000, 64, 3e-4, 100)
    assert (recipe.img_size, recipe.mask_patch_size, recipe.mask_ratio, recipe.window_size) == (64, 16, 0.5, 4)
    rates = [choose_recipe(10**5, PHOTOS, SMALL, steps=steps, batch_size=64).lr for steps in (100, 500, 20_000, 50_000)]
    assert rates[0] < rates[1] and rates[2] > rates[3]
    assert choose_recipe(350, PHOTOS, SMALL, epochs=20).epochs == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize(('given', 'message'), [
    (dict(num_images=0), 'at least one training image'),
    (dict(num_images=2.5), 'at least one training image'),
    (dict(epochs=0), 'epochs must be a number above 0'),
    (dict(hours=float('nan')), 'hours must be a number above 0'),
    (dict(steps=1.5), 'steps must be a whole number'),
    (dict(batch_size=True), 'batch_size must be a whole number'),
    (dict(epochs=10, steps=100), 'epochs and steps both say how long'),
    (dict(hours=1), 'hours needs images_per_second'),
    (dict(mask_ratio=1), 'mask_ratio must lie between 0 and 1'),
    (dict(img_size=100), 'img_size must be a multiple of 32'),
    (dict(img_size=96, mask_patch_size=10), 'mask_patch_size must be a multiple of 4'),
    (dict(img_size=96, mask_patch_size=20), 'divide img_size=96'),
    (dict(img_size=96, mask_patch_size=96), 'smaller than img_size'),
    (dict(image_sizes=[]), 'image_sizes'),
    (dict(image_sizes=[(0, 5)]), 'image_sizes'),
])
def test_what_cannot_be_is_told(given, message):
    with pytest.raises(UserError, match=message):
        choose_recipe(**dict(dict(num_images=350, encoder=SMALL), **given))


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(cores=0), 'cores'), (dict(devices=-1), 'devices'), (dict(largest_batch=1.5), 'largest_batch'),
    (dict(precision='int8'), 'precision'), (dict(images_per_second=0), 'images_per_second')])
def test_what_no_machine_is_is_told(settings, message):
    with pytest.raises(UserError, match=message):
        Machine(**settings)


def test_numbers_of_numpy_are_numbers():
    given = choose_recipe(np.int64(350), np.array(PHOTOS), SMALL, Machine(cores=np.int32(2)), epochs=np.float32(20))
    plain = choose_recipe(350, PHOTOS, SMALL, Machine(cores=2), epochs=20)
    assert given.to_dict() == plain.to_dict()
    json.dumps(given.to_dict())


@pytest.mark.parametrize(('num_images', 'size', 'side'), [
    (1, (160, 213), 96), (10**7, (160, 213), 96), (350, (20, 20), 32), (350, (30_000, 40_000), 96),
    (350, (100, 4_000), 96), (350, (1, 1), 32)])
def test_extremes_have_recipes_that_can_be_run(num_images, size, side):
    recipe = choose_recipe(num_images, [size], SMALL)
    smallest, largest = recipe.crop_ratio_range
    assert recipe.img_size == side and side % recipe.mask_patch_size == 0 and 0 < smallest < largest <= 1
    assert recipe.steps >= 1 and recipe.batch_size >= 16 and 0 < recipe.lr < 0.01
    assert 0 <= recipe.warmup < recipe.steps
    assert recipe.warnings or num_images > 350


def test_it_imports_no_torch():
    code = 'import sys, mmsimmim.recipes as r; r.choose_recipe(350); assert "torch" not in sys.modules'
    subprocess.run([sys.executable, '-c', code], check=True, cwd=CONFIGS.parents[1])
