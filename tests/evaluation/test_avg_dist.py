"""AvgDist: against a plain loop, against simulated values, and as a metric of a validation."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner

from mmsimmim.datasets import SimMIMMaskGenerator
from mmsimmim.evaluation import AvgDist, average_distance
from tests.visualization.tiny import tiny_config, write_picture

RATIOS = (.1, .2, .3, .4, .5, .6, .7, .8, .9)
# Random masks of 192 x 192 px, by side of the masked patch: an earlier simulation, apart from this package.
SIMULATED = {
    4: (1.3, 1.4, 1.5, 1.6, 1.8, 2.1, 2.5, 3.2, 5.1),
    8: (2.1, 2.3, 2.5, 2.7, 3.1, 3.7, 4.6, 6.2, 9.9),
    16: (3.7, 4.2, 4.7, 5.3, 6.1, 7.3, 8.9, 12.5, 20.5),
    32: (7.9, 8.9, 9.5, 10.9, 12.1, 14.9, 20.3, 26.0, 47.2),
    64: (16.7, 20.0, 22.4, 25.8, 29.2, 36.4, 46.8, 67.9, math.nan),
}
MASKS = {4: 4, 8: 8, 16: 16, 32: 120, 64: 250}


def plain_loop(mask, side):
    """All pairs of a masked and a visible pixel."""
    pixels = np.kron(mask, np.ones((side, side)))
    masked, visible = ([(y, x) for y in range(len(pixels)) for x in range(len(pixels[0])) if pixels[y][x] == value]
                       for value in (1, 0))
    return math.fsum(min(math.dist(one, other) for other in visible) for one in masked) / len(masked)


@pytest.mark.parametrize('shape, side', [((4, 4), 4), ((5, 3), 3), ((2, 7), 2), ((14, 9), 1), ((1, 5), 4)])
def test_equals_a_loop_over_all_pairs(shape, side):
    for seed, share in enumerate((0.2, 0.5, 0.9)):
        mask = (np.random.default_rng(seed).random(shape) < share).astype(np.uint8)
        mask.flat[:2] = 0, 1
        assert average_distance(mask, side) == pytest.approx(plain_loop(mask, side), rel=1e-12)


@pytest.mark.parametrize('patch', SIMULATED)
def test_random_masks_have_the_simulated_distances(patch):
    source = np.random.RandomState(0)
    for ratio, expected in zip(RATIOS, SIMULATED[patch]):
        generator = SimMIMMaskGenerator(192, patch, patch, ratio)
        found = np.mean([average_distance(generator.draw(source), patch) for _ in range(MASKS[patch])])
        if math.isnan(expected):
            assert math.isnan(found)
        else:
            # 5 %, and what the rounding of the values to one decimal hides.
            assert abs(found - expected) <= 0.05 * expected + 0.05, (patch, ratio, found)


def test_a_stripe_by_hand():
    """Three masked columns between visible ones: 1, 2 and 1 pixel away."""
    assert average_distance(np.array([[0, 1, 1, 1, 0]] * 4)) == pytest.approx(4 / 3)


@pytest.mark.parametrize('convert', [
    np.uint8, np.float64, bool, torch.tensor, lambda mask: torch.tensor(mask, dtype=torch.bfloat16),
    lambda mask: torch.tensor(mask).bool()], ids=['uint8', 'float64', 'bool', 'tensor', 'bfloat16', 'bool tensor'])
def test_batches_and_dtypes(convert):
    masks = [[[0, 1], [1, 1]], [[1, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]]
    convert = (lambda mask, dtype=convert: np.array(mask, dtype=dtype)) if isinstance(convert, type) else convert
    batch = average_distance(convert(masks), 8)
    assert batch.shape == (4, ) and batch.dtype == np.float64
    single = [average_distance(convert(mask), 8) for mask in masks]
    assert all(type(one) is float for one in single)
    np.testing.assert_array_equal(batch, single)
    np.testing.assert_allclose(batch[:2], [plain_loop(mask, 8) for mask in masks[:2]])


def test_nothing_masked_and_nothing_visible():
    assert average_distance(np.zeros((3, 4)), 4) == 0
    assert math.isnan(average_distance(np.ones((3, 4)), 4))


@pytest.mark.parametrize('mask, side, message', [
    (np.ones(4), 1, r'mask must have the shape .*got \(4,\)'), (np.ones((2, 1, 4, 4)), 1, r'got \(2, 1, 4, 4\)'),
    (np.ones((0, 4)), 1, r'got \(0, 4\)'), (np.ones((4, 4)), 0, 'model_patch_size must be at least 1 pixel, got 0')])
def test_masks_that_have_no_distance(mask, side, message):
    with pytest.raises(ValueError, match=message):
        average_distance(mask, side)


def test_metric_averages_over_images_and_takes_the_scale_from_them():
    masks = [torch.tensor(mask) for mask in ([[0, 1], [1, 1]], [[1, 0], [0, 0]], [[0, 0], [0, 0]])]
    expected = (plain_loop(masks[0].tolist(), 8) + plain_loop(masks[1].tolist(), 8)) / 3
    evaluator = Evaluator(AvgDist())
    evaluator.process([dict(mask=mask) for mask in masks[:2]], dict(inputs=torch.zeros(2, 3, 16, 16)))
    evaluator.process([dict(mask=masks[2])], dict(inputs=[torch.zeros(3, 16, 16)]))
    assert evaluator.evaluate(3) == {'masking/avg_dist': pytest.approx(expected)}


@pytest.mark.parametrize('sample, message', [
    (dict(), 'AvgDist needs a mask with every image'),
    (dict(mask=torch.ones(2, 4)), 'a mask of 2 x 4 does not divide an image of 16 x 16 pixels into squares'),
    (dict(mask=torch.ones(3, 3)), 'a mask of 3 x 3 does not divide')])
def test_metric_says_what_is_missing(sample, message):
    with pytest.raises(ValueError, match=message):
        AvgDist().process(dict(inputs=torch.zeros(1, 3, 16, 16)), [sample])


def test_beside_the_loss_in_a_validation(tmp_path):
    for seed in range(3):
        write_picture(tmp_path / 'images' / f'{seed}.png', seed=seed)
    cfg = tiny_config(tmp_path / 'images')
    cfg.work_dir = str(tmp_path / 'work')
    cfg.visualizer = None
    cfg.val_evaluator = [dict(type='mmsimmim.ReconstructionLoss'), dict(type='mmsimmim.AvgDist')]
    runner = Runner.from_cfg(cfg)
    metrics = runner.val()
    masks = [sample['data_samples'].mask for sample in runner.val_dataloader.dataset]
    assert metrics['masking/avg_dist'] == pytest.approx(np.mean([average_distance(mask, 4) for mask in masks]))
    assert metrics['reconstruction/masked_loss'] > 0


@pytest.mark.slow
def test_the_package_does_not_wait_for_scipy():
    program = 'import sys, mmsimmim; assert "scipy.ndimage" not in sys.modules'
    subprocess.run([sys.executable, '-c', program], check=True)
