"""The RandAugment of the configs against timm's rand-m9-mstd0.5-inc1, operation by operation."""

import inspect
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image
from timm.data.auto_augment import AugmentOp, rand_augment_transform

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.registry import TRANSFORMS

CONFIG = Path(__file__).parents[2] / 'configs' / 'cls' / 'swin-base-w7_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
OFFICIAL = 'rand-m9-mstd0.5-inc1'
# What create_transform of timm passes on for images of 224 px
HPARAMS = dict(translate_const=int(224 * 0.45), img_mean=(124, 116, 104), interpolation=Image.BICUBIC)
PAIRS = {
    'AutoContrast': 'AutoContrast', 'Equalize': 'Equalize', 'Invert': 'Invert', 'Rotate': 'Rotate',
    'PosterizeIncreasing': 'Posterize', 'SolarizeIncreasing': 'Solarize', 'SolarizeAdd': 'SolarizeAdd',
    'ColorIncreasing': 'ColorTransform', 'ContrastIncreasing': 'Contrast', 'BrightnessIncreasing': 'Brightness',
    'SharpnessIncreasing': 'Sharpness', 'ShearX': 'Shear horizontal', 'ShearY': 'Shear vertical',
    'TranslateXRel': 'Translate horizontal', 'TranslateYRel': 'Translate vertical'
}


@pytest.fixture(scope='module')
def ours():
    """RandAugment as the config builds it."""
    init_default_scope('mmpretrain')
    steps = Config.fromfile(CONFIG).train_dataloader.dataset.pipeline
    yield TRANSFORMS.build(next(step for step in steps if step.type == 'RandAugment'))
    DefaultScope._instance_dict.clear()


@pytest.fixture(scope='module')
def image():
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    return cv2.resize(coarse, (224, 224), interpolation=cv2.INTER_CUBIC)


def name_of(transform):
    return ' '.join([type(transform).__name__, *([transform.direction] if hasattr(transform, 'direction') else [])])


def test_same_operations_as_often(ours):
    theirs = rand_augment_transform(OFFICIAL, dict(HPARAMS))  # it writes into it
    assert [PAIRS[op.name] for op in theirs.ops] == [name_of(transform) for transform in ours.transforms]
    assert {op.prob for op in theirs.ops} == {transform.prob for transform in ours.transforms} == {0.5}
    assert ours.num_policies == theirs.num_layers == 2
    assert {(op.magnitude, op.magnitude_std) for op in theirs.ops} == {(9, 0.5)}
    assert (ours.magnitude_level, ours.magnitude_std, ours.total_level) == (9, 0.5, 10)


@pytest.mark.parametrize('theirs', PAIRS)
def test_same_pixels_at_strength_9(ours, image, theirs):
    """Up to rounding in the interpolation. Signs are drawn, so that both directions are among some tries."""
    transform = next(transform for transform in ours.transforms if name_of(transform) == PAIRS[theirs])
    arguments = inspect.signature(type(transform).__init__).parameters
    cfg = dict(next(policy for policy in ours.policies if policy['type'] == type(transform).__name__
                    and policy.get('direction') == getattr(transform, 'direction', None)), prob=1.)
    certain = TRANSFORMS.build(dict(cfg, magnitude_std=0.) if 'magnitude_range' in cfg else cfg)
    operation = AugmentOp(theirs, prob=1., magnitude=9, hparams=dict(HPARAMS))
    found, expected = [], []
    for seed in range(8):
        np.random.seed(seed)
        random.seed(seed)
        found.append(certain(dict(img=image.copy()))['img'][..., ::-1].astype(int))
        expected.append(np.asarray(operation(Image.fromarray(image[..., ::-1].copy()))).astype(int))
    signs = 2 if 'random_negative_prob' in arguments else 1
    assert len({result.tobytes() for result in found}) == len({result.tobytes() for result in expected}) == signs
    for some, others in ((found, expected), (expected, found)):
        assert max(min(np.abs(one - other).mean() for other in others) for one in some) < 1
