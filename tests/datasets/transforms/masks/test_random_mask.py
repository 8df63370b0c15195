"""Random masks: counts, layout, coverage, repeatability."""

import numpy as np
import pytest

from mmsimmim.datasets import SimMIMMaskGenerator


def draw(generator, idx=0):
    return generator(dict(sample_idx=idx))['mask']


@pytest.mark.parametrize('size, ratio, count', [(192, 0.6, 22), (224, 0.6, 30), (192, 1.0, 36), ((64, 192), 0.5, 6)])
def test_count_is_rounded_up(size, ratio, count):
    mask = draw(SimMIMMaskGenerator(size, mask_ratio=ratio))
    height, width = (size, size) if isinstance(size, int) else size
    assert mask.shape == (height // 4, width // 4)
    assert mask.sum() == count * 64 and set(np.unique(mask)) <= {0, 1}


def test_whole_patches_are_masked():
    mask = draw(SimMIMMaskGenerator(192, 32, 4))
    cells = mask.reshape(6, 8, 6, 8).transpose(0, 2, 1, 3).reshape(36, 64)
    assert np.array_equal(cells.min(1), cells.max(1))


def test_every_patch_is_as_likely_as_any_other():
    np.random.seed(0)
    generator = SimMIMMaskGenerator(192, 32, 32, 0.6)
    share = np.mean([draw(generator) for _ in range(4000)], axis=0)
    # five standard deviations of a share of 22 / 36 over 4000 draws
    assert np.abs(share - 22 / 36).max() < 5 * np.sqrt(22 / 36 * 14 / 36 / 4000)


def test_masks_differ_and_repeat_from_numpys_seed():
    generator = SimMIMMaskGenerator()
    np.random.seed(1)
    first = [draw(generator) for _ in range(3)]
    np.random.seed(1)
    again = [draw(generator) for _ in range(3)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], first[1])


def test_a_seed_fixes_the_mask_of_each_image_and_leaves_numpy_alone():
    generator = SimMIMMaskGenerator(seed=3)
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    first, other = draw(generator, 7), draw(generator, 8)
    assert np.array_equal(first, draw(generator, 7)) and not np.array_equal(first, other)
    assert not np.array_equal(first, draw(SimMIMMaskGenerator(seed=4), 7))
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_fixed_mask_belongs_to_the_image_where_the_dataset_names_it():
    generator = SimMIMMaskGenerator(seed=3)
    one, same, other = (generator(dict(sample_idx=idx, sample_id=identity))['mask']
                        for idx, identity in [(0, 2**64 - 1), (5, 2**64 - 1), (0, 2**64 - 2)])
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_same_masks_as_mmpretrain_from_the_same_seed():
    from mmpretrain.datasets.transforms import SimMIMMaskGenerator as Theirs
    np.random.seed(2)
    ours = draw(SimMIMMaskGenerator())
    np.random.seed(2)
    assert np.array_equal(ours, Theirs().transform({})['mask'])


@pytest.mark.parametrize('kwargs, message', [
    (dict(input_size=200), 'input_size .200, 200. must be a multiple of mask_patch_size 32'),
    (dict(input_size=(192, 100)), 'multiple of mask_patch_size'),
    (dict(mask_patch_size=32, model_patch_size=5), 'mask_patch_size 32 must be a multiple of model_patch_size 5'),
    (dict(input_size='192'), "input_size must be an integer or two.*got '192'"),
    (dict(input_size=192.0), r'input_size must be an integer .*got 192\.0'),
    (dict(input_size=[192, 192, 192]), r'input_size must be .*got \[192, 192, 192\]'),
    (dict(input_size=None), 'input_size must be .*got None'), (dict(input_size=True), 'input_size must be'),
    (dict(mask_ratio='a'), r"mask_ratio must be a number in \(0, 1\], got 'a'"),
    (dict(mask_ratio=None), 'mask_ratio must be'), (dict(mask_patch_size=32.0), 'mask_patch_size must be an integer'),
    (dict(model_patch_size='4'), "model_patch_size must be an integer.*got '4'"), (dict(seed=-1), 'seed must be'),
    (dict(mask_ratio=0), 'mask_ratio'), (dict(mask_ratio=1.2), 'mask_ratio'), (dict(mask_patch_size=0), 'positive')])
def test_what_cannot_be_masked_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SimMIMMaskGenerator(**kwargs)
