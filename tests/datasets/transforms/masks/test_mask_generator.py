"""What every masking strategy promises: exact counts, whole patches, seeds, clear errors."""

import itertools
import math

import numpy as np
import pytest

from mmsimmim.datasets import (
    MASK_STRATEGIES,
    BlockwiseMaskGenerator,
    MaskGenerator,
    SimMIMMaskGenerator,
    SquareMaskGenerator,
)
from mmsimmim.registry import TRANSFORMS

PATCHES = (4, 8, 16, 32, 64)
RATIOS = (.1, .11, .2, .25, .3, .4, .5, .6, .7, .8, .9, 1)
SIZES = (192, (64, 192), (320, 128), (64, 64))
FORMS = [(SimMIMMaskGenerator, {}), (SquareMaskGenerator, {}), (SquareMaskGenerator, dict(position='central')),
         (BlockwiseMaskGenerator, {}), (BlockwiseMaskGenerator, dict(min_num_patches=1, max_num_patches=2))]

every_form = pytest.mark.parametrize(
    'cls, arguments', FORMS, ids=['random', 'square', 'central', 'block-wise', 'small blocks'])
every_class = pytest.mark.parametrize('cls', [SimMIMMaskGenerator, SquareMaskGenerator, BlockwiseMaskGenerator])


def to_cells(mask, rows, cols):
    """Tokens of each masked patch: (rows, cols, tokens in a patch)."""
    height, width = mask.shape[0] // rows, mask.shape[1] // cols
    return mask.reshape(rows, height, cols, width).transpose(0, 2, 1, 3).reshape(rows, cols, -1)


@every_form
@pytest.mark.parametrize('patch', PATCHES)
def test_exact_count_of_whole_patches(cls, arguments, patch):
    random = np.random.RandomState(0)
    for size, ratio in itertools.product(SIZES, RATIOS):
        height, width = (size, size) if isinstance(size, int) else size
        mask = cls(size, patch, 4, ratio, **arguments).draw(random)
        assert mask.dtype == np.uint8 and mask.shape == (height // 4, width // 4)
        cells = to_cells(mask, height // patch, width // patch)
        assert np.array_equal(cells.min(2), cells.max(2)), 'a patch is masked in part'
        assert set(np.unique(cells)) <= {0, 1}
        assert cells[..., 0].sum() == math.ceil(ratio * (height // patch) * (width // patch)), (size, ratio)


@every_form
@pytest.mark.parametrize('masked, token', [(32, 4), (32, 8), (32, 16), (32, 32), (28, 14), (28, 4), (48, 16)])
def test_any_patch_of_the_model_that_divides_the_masked_one(cls, arguments, masked, token):
    mask = cls((4 * masked, 6 * masked), masked, token, 0.5, **arguments).draw(np.random.RandomState(0))
    assert mask.shape == (4 * masked // token, 6 * masked // token)
    cells = to_cells(mask, 4, 6)
    assert np.array_equal(cells.min(2), cells.max(2)) and cells[..., 0].sum() == 12


@every_form
@pytest.mark.parametrize('grid', [(1, 1), (1, 7), (9, 1), (2, 11), (3, 5)])
def test_narrow_grids(cls, arguments, grid):
    cells = math.prod(grid)
    random = np.random.RandomState(0)
    for count in range(1, cells + 1):
        generator = cls((grid[0] * 8, grid[1] * 8), 8, 8, (count - 0.5) / cells, **arguments)
        assert generator.grid == grid and generator.mask_count == count
        assert generator.draw(random).sum() == count


@every_class
def test_masks_differ_and_repeat_from_numpys_seed(cls):
    generator = cls(mask_patch_size=16, mask_ratio=0.4)
    np.random.seed(1)
    first = [generator(dict(sample_idx=0))['mask'] for _ in range(5)]
    np.random.seed(1)
    again = [generator(dict(sample_idx=0))['mask'] for _ in range(5)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert len({mask.tobytes() for mask in first}) > 1


@every_class
def test_a_seed_fixes_the_mask_of_each_image_and_leaves_numpy_alone(cls):
    generator = cls(mask_patch_size=8, mask_ratio=0.2, seed=3)
    state = np.random.get_state()[1].copy()
    masks = [generator(dict(sample_idx=index))['mask'].tobytes() for index in (7, 8, 7)]
    assert masks[0] == masks[2] != masks[1]
    assert cls(mask_patch_size=8, mask_ratio=0.2, seed=4)(dict(sample_idx=7))['mask'].tobytes() != masks[0]
    named = [generator(dict(sample_idx=index, sample_id=2**40))['mask'].tobytes() for index in (0, 1)]
    assert named[0] == named[1]
    assert np.array_equal(np.random.get_state()[1], state)


@every_class
def test_registered_for_every_framework(cls):
    built = TRANSFORMS.build(dict(type=f'mmsimmim.{cls.__name__}', input_size=64, mask_ratio=0.5))
    assert type(built) is cls and isinstance(built, MaskGenerator)


@every_class
@pytest.mark.parametrize('arguments, message', [
    (dict(input_size=200), 'input_size .200, 200. must be a multiple of mask_patch_size 32'),
    (dict(mask_patch_size=32, model_patch_size=5), 'mask_patch_size 32 must be a multiple of model_patch_size 5'),
    (dict(mask_ratio=0), r'mask_ratio must lie in \(0, 1\], got 0'), (dict(mask_ratio=float('nan')), 'mask_ratio must'),
    (dict(mask_ratio=True), 'mask_ratio must be a number'), (dict(seed=-1), 'seed must be')])
def test_shared_arguments_are_checked(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        cls(**arguments)


def test_representation_names_every_argument():
    shared = ('input_size=(64, 96), mask_patch_size=16, model_patch_size=4, mask_ratio=0.5, seed=None')
    assert repr(SimMIMMaskGenerator((64, 96), 16, 4, 0.5)) == f'SimMIMMaskGenerator({shared})'
    assert repr(SquareMaskGenerator((64, 96), 16, 4, 0.5)) == f"SquareMaskGenerator({shared}, position='random')"
    assert repr(BlockwiseMaskGenerator((64, 96), 16, 4, 0.5, min_aspect=0.5)) == (
        f'BlockwiseMaskGenerator({shared}, min_num_patches=None, max_num_patches=None, min_aspect=0.5, '
        'max_aspect=None)')


def test_a_new_strategy_says_only_which_patches():

    class Chessboard(MaskGenerator):

        def draw_cells(self, generator):
            return (np.indices(self.grid).sum(axis=0) % 2).astype(np.uint8)

    assert np.array_equal(Chessboard(16, 8, 4, 0.5)(dict(sample_idx=0))['mask'][::2, ::2], [[0, 1], [1, 0]])


@pytest.mark.parametrize('patch, count', [(64, 3000), (32, 3000), (16, 2000), (8, 1500)])
def test_random_masks_cover_every_patch_alike(patch, count):
    generator = SimMIMMaskGenerator(192, patch, patch, 0.4)
    random = np.random.RandomState(0)
    share = np.mean([generator.draw_cells(random) for _ in range(count)], axis=0)
    expected = generator.mask_count / share.size
    # Five standard deviations; two patches of one mask depend on one another, a patch of two masks does not.
    assert np.abs(share - expected).max() < 5 * math.sqrt(expected * (1 - expected) / count)


def test_named_strategies():
    assert list(MASK_STRATEGIES) == ['random', 'square', 'central-square', 'block-wise']
    built = [make(64, mask_patch_size=16, mask_ratio=0.25) for make in MASK_STRATEGIES.values()]
    assert [type(one) for one in built] == [SimMIMMaskGenerator, SquareMaskGenerator, SquareMaskGenerator,
                                            BlockwiseMaskGenerator]
    assert built[2].position == 'central'
