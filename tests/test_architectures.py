"""Named sizes: the parameters that the docstrings promise, and the same networks as mmpretrain's."""

import re

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import pytest
import torch
from mmpretrain.models.backbones import SwinTransformer as PretrainSwin
from mmpretrain.models.backbones import SwinTransformerV2 as PretrainSwinV2

from mmsimmim.architectures import SWIN, SWIN_V2, VIT
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer
from tests.models.backbones.witness import assert_same_maps, randomised

FOUR = r'(\d+(?:, \d+){3})'
ROW = re.compile(rf'^ +([\w-]+) +(\d+) +{FOUR} +{FOUR} +([\d.]+) M$', re.MULTILINE)


@pytest.mark.parametrize('encoder, named', [(SwinTransformer, SWIN), (SwinTransformerV2, SWIN_V2)])
def test_the_docstring_has_every_name_with_its_numbers(encoder, named):
    rows = {row[0]: row[1:] for row in ROW.findall(encoder.__doc__)}
    assert list(rows) == list(named)
    for name, (channels, depths, heads, millions) in rows.items():
        if name in ('huge', 'giant', 'giant-1b'):  # counted in tests/models/backbones/test_swin_v2.py
            continue
        arch = named[name]
        assert (int(channels), depths, heads) == (
            arch['embed_dims'], ', '.join(map(str, arch['depths'])), ', '.join(map(str, arch['num_heads'])))
        with torch.device('meta'):
            found = sum(parameter.numel() for parameter in encoder(name).parameters()) / 1e6
        assert float(millions) == pytest.approx(found, abs=0.5 * 10**-len(millions.partition('.')[2]))


@pytest.mark.parametrize('name, millions', [('atto', 1), ('femto', 5), ('nano', 12)])
@pytest.mark.parametrize('encoder', [SwinTransformer, SwinTransformerV2])
def test_small_sizes(encoder, name, millions):
    with torch.device('meta'):
        found = sum(parameter.numel() for parameter in encoder(name).parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.35)


@pytest.mark.parametrize('name, millions', [('deit-tiny', 5.5), ('deit-small', 21.6)])
def test_small_vits(name, millions):
    """5.7 and 22.1 million in the literature: with a classifier of 1000 classes and without bias tables."""
    with torch.device('meta'):
        model = VisionTransformer(name)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert VIT[name]['embed_dims'] // VIT[name]['num_heads'] == 64


@pytest.mark.parametrize('name', ['atto', 'femto', 'nano'])
@pytest.mark.parametrize('encoder, theirs, extra, windows', [
    (SwinTransformer, PretrainSwin, {},
     dict(stage_cfgs=[dict(block_cfgs=dict(window_size=side)) for side in (6, 6, 6, 3)])),
    (SwinTransformerV2, PretrainSwinV2, dict(extra_norm_every_n_blocks=0), dict(window_size=[6, 6, 6, 3]))])
def test_equal_mmpretrain_with_the_same_numbers(encoder, theirs, extra, windows, name):
    stages = (0, 1, 2, 3)
    witness = randomised(theirs({**SWIN[name], **extra}, img_size=96, drop_path_rate=0., out_indices=stages, **windows))
    ours = encoder(name, img_size=96, window_size=6, out_indices=stages)
    assert_same_maps(ours, witness, (96, 96))


def test_first_letters():
    assert SwinTransformer('n').embed_dims == 64 and SwinTransformerV2('a').embed_dims == 24
