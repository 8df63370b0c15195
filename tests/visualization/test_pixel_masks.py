"""Masks drawn on pixels."""

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmsimmim.datasets.transforms import (
    MASK_STRATEGIES,
    BlockwiseMaskGenerator,
    SimMIMMaskGenerator,
    SquareMaskGenerator,
)
from mmsimmim.errors import UserError
from mmsimmim.visualization import PictureLoader
from mmsimmim.visualization.pixel_masks import mask_settings, on_tokens, strategy_of

from .tiny import tiny_config, write_picture

TRAINED = dict(type='mmsimmim.BlockwiseMaskGenerator', input_size=64, mask_patch_size=16, model_patch_size=4,
               mask_ratio=0.5, min_aspect=0.5)


def test_the_config_decides_what_is_not_said():
    one, = mask_settings(TRAINED)
    assert (one.strategy, one.patch_size, one.ratio, one.label) == ('block-wise', 16, 0.5, 'block-wise, 16 px')
    expected = BlockwiseMaskGenerator((64, 96), 16, 1, 0.5, min_aspect=0.5).draw(np.random.RandomState([3, 5]))
    np.testing.assert_array_equal(one.draw(64, 96, seed=3, index=5), expected)


def test_defaults_of_the_generator_hold_where_the_config_says_nothing():
    one, = mask_settings(dict(type='mmsimmim.SimMIMMaskGenerator'))
    assert (one.strategy, one.patch_size, one.ratio) == ('random', 32, 0.6)


def test_all_combinations_in_order_without_repeats():
    settings = mask_settings(TRAINED, ['square', 'random', 'square'], [8, 16, 8], [0.3, 0.6])
    assert [(one.strategy, one.patch_size, one.ratio) for one in settings] == [
        (strategy, size, ratio) for strategy in ('square', 'random') for size in (8, 16) for ratio in (0.3, 0.6)]


@pytest.mark.parametrize('name, make', [
    ('random', SimMIMMaskGenerator),
    ('square', SquareMaskGenerator),
    ('block-wise', BlockwiseMaskGenerator),
])
def test_named_strategies_have_their_own_defaults(name, make):
    one, = mask_settings(TRAINED, [name], [8], [0.4])
    np.testing.assert_array_equal(one.draw(64, 96), make((64, 96), 8, 1, 0.4).draw(np.random.RandomState([0, 0])))
    assert one.draw(64, 96).mean() == np.ceil(0.4 * 96) / 96


def test_masks_are_those_of_the_picture_loader(tmp_path):
    init_default_scope('mmpretrain')
    loader = PictureLoader(tiny_config(tmp_path), 32, seed=7)
    theirs = loader(write_picture(tmp_path / 'a.png'), index=2)['data_samples'][0].mask.numpy()
    one, = mask_settings(loader.mask_cfg)
    np.testing.assert_array_equal(on_tokens(one.draw(64, 96, seed=7, index=2), 4), theirs)


@pytest.mark.parametrize('name', MASK_STRATEGIES)
def test_names_come_back(name):
    assert strategy_of(MASK_STRATEGIES[name]()) == name


@pytest.mark.parametrize('changes, message', [
    (dict(ratios=[0.5, 1.5]), 'strategy block-wise cannot be drawn: mask_ratio must lie in'),
    (dict(patch_sizes=[0]), 'sizes must be positive'),
])
def test_impossible_settings(changes, message):
    with pytest.raises(UserError, match=message):
        mask_settings(TRAINED, **changes)


def test_tokens_of_a_mask():
    cells = np.array([[1, 0, 1], [0, 0, 1]], dtype=np.uint8)
    mask = np.kron(cells, np.ones((16, 16), dtype=np.uint8))
    np.testing.assert_array_equal(on_tokens(mask, 16), cells)
    np.testing.assert_array_equal(on_tokens(mask, 4), np.kron(cells, np.ones((4, 4), dtype=np.uint8)))
    with pytest.raises(ValueError, match='cuts through tokens of 32 pixels'):
        on_tokens(mask, 32)
