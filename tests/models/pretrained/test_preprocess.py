"""Images of all kinds become what the official evaluation makes of them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from mmsimmim.errors import UserError
from mmsimmim.models.pretrained.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

ROOT = Path(__file__).parents[3]
OFFICIAL = transforms.Compose([
    transforms.Resize(int(256 / 224 * 96), transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(96),
    transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


def preprocess(size=(96, 96), dtype=torch.float32, **kwargs):
    settings = dict(mean=IMAGENET_MEAN, std=IMAGENET_STD, bgr=False, in_channels=3, source='given')
    return Preprocess(nn.Linear(1, 1).to(dtype), size, **(settings | kwargs))


@pytest.fixture(params=[(200, 300), (301, 150)])
def image(request):
    """Smooth, so that rounding to whole numbers is all the difference."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    return Image.fromarray(noise).resize(request.param[::-1], Image.Resampling.BICUBIC)


def test_as_the_official_evaluation(image):
    found, expected = preprocess()(image), OFFICIAL(image)
    assert found.shape == (1, 3, 96, 96)
    assert (found[0] - expected).abs().max() * 0.229 * 255 < 1.5
    assert (found[0] - expected).abs().mean() * 0.229 * 255 < 0.5


def test_all_kinds_of_images_are_the_same(image):
    array = np.asarray(image)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    expected = preprocess()(image)
    for other in (array, tensor, tensor[None], tensor / 255, array / 255, [image, array]):
        found = preprocess()(other)
        assert torch.allclose(found, expected.expand_as(found), atol=1e-4)
    assert torch.equal(preprocess(bgr=True, mean=[0.] * 3, std=[1.] * 3)(image),
                       preprocess(mean=[0.] * 3, std=[1.] * 3)(image).flip(1))
    assert torch.equal(preprocess()(image.convert('L')), preprocess()(image.convert('L').convert('RGB')))
    assert torch.equal(preprocess()(np.asarray(image.convert('L'))), preprocess()(image.convert('L')))
    assert preprocess(dtype=torch.bfloat16)(image).dtype == torch.bfloat16


def test_without_scaling(image):
    array = np.asarray(image)
    expected = ((torch.from_numpy(array.copy()).double() - torch.tensor(IMAGENET_MEAN, dtype=torch.float64))
                / torch.tensor(IMAGENET_STD, dtype=torch.float64)).permute(2, 0, 1)
    of_any_size = preprocess(size=None, dtype=torch.float64)
    for found in (of_any_size(image), preprocess(dtype=torch.float64)(array, resize=False)):
        assert torch.allclose(found[0], expected)


@pytest.mark.parametrize('given, message', [
    (torch.randn(3, 96, 96), 'values from .* must lie between 0 and 1'),
    (torch.zeros(3, 96, 96, dtype=torch.int64), 'torch.int64 have no known range'),
    (torch.zeros(96, 96, 3), r'shape \(96, 96, 3\) does not fit: the model takes 3 channels'),
    ('cat.jpg', 'str is no image'),
    ([], 'one size')])
def test_refusals(given, message):
    with pytest.raises(UserError, match=message):
        preprocess()(given)
    with pytest.raises(UserError, match='one size'):
        preprocess(size=None)([torch.zeros(3, 8, 8), torch.zeros(3, 8, 9)])


def test_load_needs_no_framework(tmp_path):
    """And the package alone no PyTorch."""
    code = f"""
import sys
import mmsimmim
assert 'load' in dir(mmsimmim) and 'torch' not in sys.modules
sys.modules.update(mmpretrain=None, mmdet=None, mmseg=None)
import torch
from mmsimmim.models import SwinTransformer
swin = SwinTransformer('atto', img_size=192, window_size=6)
torch.save(swin.state_dict(), {str(tmp_path / 'x.pth')!r})
encoder = mmsimmim.load({str(tmp_path / 'x.pth')!r}, features='pooled')
print(tuple(encoder(encoder.preprocess(torch.zeros(3, 250, 200))).shape), encoder.contents.arch, encoder.num_features)
"""
    done = subprocess.run([sys.executable, '-c', code], env={**os.environ, 'PYTHONPATH': str(ROOT)},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split('\n')[-2] == '(1, 192) atto 192'
