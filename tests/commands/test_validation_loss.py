"""tools/test.py measures the validation loss of the data-scaling study as a plain loop does, also of official files."""

import json
import re
import runpy
import sys
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.utils import digit_version
from PIL import Image
from torchvision.transforms.functional import center_crop, normalize, resize, to_tensor

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.datasets import ImageFolder
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.datasets.subsets import path_hash
from mmsimmim.datasets.transforms import SimMIMMaskGenerator
from mmsimmim.registry import MODELS
from tests.commands.conftest import REPO
from tests.configs.pretraining import FOLDER, SMALL_SWIN

SMALL = FOLDER / 'simmim_swinv2-small-w12_16xb128-amp-steplr-125k_in1k-192px.py'
SHARDED = FOLDER / 'data_scaling' / 'simmim_swinv2-giant-1b-w12_32xb64-amp-fsdp-steplr-125k_in22k-192px.py'
DOCS = (REPO / 'docs' / 'data_scaling.md').read_text()


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Three: wide, upright, and grey."""
    folder = tmp_path_factory.mktemp('validation')
    for i, (size, mode) in enumerate([((240, 200), 'RGB'), ((200, 300), 'RGB'), ((400, 320), 'L')]):
        coarse = np.random.default_rng(i).integers(0, 256, (9, 7, 3), np.uint8)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)
        (folder / f'{i % 2}').mkdir(exist_ok=True)
        image.save(folder / f'{i % 2}' / f'{i}.png')
    return folder


@pytest.fixture(scope='module')
def model():
    """Swin V2 as in the study but for its depth and width, in float64, every parameter drawn."""
    init_default_scope('mmpretrain')
    config = Config.fromfile(SMALL).model
    config.backbone.arch, config.neck.in_channels = SMALL_SWIN, 64
    model = MODELS.build(config).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.02)
    DefaultScope._instance_dict.clear()
    return model


@pytest.fixture(scope='module')
def official(model, tmp_path_factory):
    """A file of the study's layout."""
    weights = convert_state_dict({key: value.float() for key, value in model.state_dict().items()}, to='official')
    assert {key.split('.')[0] for key in weights} == {'encoder', 'decoder'} and 'encoder.mask_token' in weights
    path = tmp_path_factory.mktemp('official') / 'swinv2_small_1k_125k.pth'
    torch.save(dict(model=weights, optimizer={}, epoch=99), path)
    return path


@pytest.fixture
def measure(monkeypatch, official, pictures, tmp_path):
    """A function that gives the loss as tools/test.py reports it."""

    def measure(config, *options):
        monkeypatch.setattr(sys, 'argv', [
            'test.py', str(config), str(official), '--work-dir', str(tmp_path), '--out', str(tmp_path / 'out.json'),
            '--cfg-options', f'val_dataloader.dataset.data_root={pictures}', 'val_dataloader.num_workers=0',
            'val_dataloader.batch_size=2', *options])
        runpy.run_path(str(REPO / 'tools' / 'test.py'), run_name='__main__')
        DefaultScope._instance_dict.clear()
        return json.loads((tmp_path / 'out.json').read_text())['reconstruction/masked_loss']

    return measure


@pytest.fixture
def shrunk(tmp_path):
    """A function that makes a config small, by one that inherits from it."""

    def shrunk(config, text=''):
        path = tmp_path / 'small.py'
        path.write_text(f"_base_ = '{config}'\n{text}\nmodel = dict("
                        f'backbone=dict(arch=dict({SMALL_SWIN!r}, _delete_=True)), neck=dict(in_channels=64))\n')
        return path

    return shrunk


def plain_loss(model, image, cells):
    """The loss of one image: float64, and nothing but PyTorch around the network.

    Args:
        model (nn.Module): The network.
        image (Tensor): Normalised colours, (3, 192, 192).
        cells (Tensor): The masked patches of 32 px, (6, 6).
    """
    image, tokens = image.double()[None], cells.repeat_interleave(8, 0).repeat_interleave(8, 1)[None]
    pixels = cells.repeat_interleave(32, 0).repeat_interleave(32, 1).double()
    count = F.avg_pool2d(torch.ones_like(image), 47, 1, 23, divisor_override=1)
    mean = F.avg_pool2d(image, 47, 1, 23, divisor_override=1) / count
    variance = F.avg_pool2d(image**2, 47, 1, 23, divisor_override=1) / count - mean**2
    target = (image - mean) / (variance.clamp(min=0) * count / (count - 1) + 1e-6).sqrt()
    with torch.no_grad():
        prediction = model.neck(model.backbone(image, tokens)[-1])
    return (((prediction - target).abs()[0] * pixels).sum() / pixels.sum() / 3).item()


@cache
def plain_validation(model, folder, seed):
    """Mean over images of the short side scaled to 192 px and cropped in the middle, each with one mask."""
    losses = []
    for path in folder.rglob('*.png'):
        image = center_crop(resize(Image.open(path).convert('RGB'), 192), 192)
        image = normalize(to_tensor(image), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        random = np.random.RandomState([seed, *divmod(path_hash(path.relative_to(folder).as_posix()), 2**32)])
        cells = torch.zeros(36, dtype=torch.long)
        cells[random.permutation(36)[:22]] = 1
        losses.append(plain_loss(model, image, cells.reshape(6, 6)))
    assert len(losses) == 3
    return np.mean(losses)


@pytest.mark.parametrize('config, seed', [
    (SMALL, 1),
    pytest.param(SHARDED, 0, marks=pytest.mark.skipif(
        digit_version(torch.__version__) < digit_version('2.9.0'), reason='FSDPStrategy needs PyTorch 2.9'))])
def test_an_official_file_has_the_loss_of_a_plain_loop(measure, shrunk, model, pictures, config, seed):
    options = [f'mask_seed={seed}'] if seed else []
    assert measure(shrunk(config), *options) == pytest.approx(plain_validation(model, pictures, seed), rel=1e-5)


def test_the_crops_of_training_as_the_docs_say(measure, shrunk, model, pictures):
    """The block of the docs without its first two lines, a comment and the base."""
    text, = (block for block in re.findall(r'```python\n(.*?)```', DOCS, re.S) if 'SeededSampler' in block)
    loss = measure(shrunk(SMALL, text.split('\n', 2)[2]))
    dataset = ImageFolder(str(pictures), pipeline=Config.fromfile(SMALL).train_pipeline)
    losses = []
    for i in range(3):
        image = dataset[SampleIndex(i, key=(0, 0, i))]['inputs'].flip(0) / 255
        image = normalize(image, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        mask = torch.from_numpy(SimMIMMaskGenerator().draw_batch([(0, 0, i)])[0])
        losses.append(plain_loss(model, image, mask[::8, ::8].long()))
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert loss != pytest.approx(plain_validation(model, pictures, 0), rel=1e-3)
