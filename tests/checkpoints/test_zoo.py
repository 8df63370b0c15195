"""Files of the data-scaling study, and Swin V2-H and -G in both shapes: recognised, converted, loaded or refused."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import re

import pytest
import torch
from mmpretrain.models.backbones import SwinTransformerV2 as PretrainSwinV2

from mmsimmim.checkpoints import convert_state_dict, read_checkpoint, recognise, state_dict_of
from mmsimmim.models import SwinTransformerV2
from mmsimmim.models.backbones.loading import CheckpointMismatch
from tests.checkpoints.official_files import (
    SHRUNK,
    as_deepspeed_saves,
    as_the_authors_save,
    learned,
    official_recipe,
    official_swin_v2,
    sat_vision,
)
from tests.checkpoints.random_weights import same_bits
from tests.golden import relative_error

LAYOUTS = {
    'study, pre-trained': dict(position='rpe_mlp'),
    'study, fine-tuned': dict(num_classes=10, windows=(7, 7, 7, 7), maps=56),
    'heads of one H': dict(embed_dims=16, num_heads=[1, 2, 4, 8], extra_norm_every_n_blocks=6),
    'heads of the other': dict(embed_dims=16, num_heads=[2, 4, 8, 16], extra_norm_every_n_blocks=6),
}


def content_of(layout):
    """What a file of that layout holds, and the parameters in it."""
    if layout == 'SatVision':
        return as_deepspeed_saves(sat_vision()), sat_vision()
    state = official_swin_v2(**(SHRUNK | LAYOUTS[layout]))
    return as_the_authors_save(state, official_recipe('pretrain')), state


@pytest.mark.parametrize('layout', [*LAYOUTS, 'SatVision'])
def test_there_and_back_is_bit_exact(tmp_path, layout):
    content, state = content_of(layout)
    torch.save(content, tmp_path / 'x.pth')
    weights = state_dict_of(read_checkpoint(str(tmp_path / 'x.pth')))
    assert same_bits(weights, state)
    contents, expected = recognise(weights), SHRUNK | LAYOUTS.get(layout, dict(extra_norm_every_n_blocks=6))
    assert (contents.encoder, list(contents.num_heads), list(contents.depths)) == (
        'swin_v2', expected['num_heads'], expected['depths'])
    assert contents.extra_norm_every_n_blocks == expected.get('extra_norm_every_n_blocks', 0)
    assert (contents.decoder, contents.num_classes) == (('head.weight' not in state), expected.get('num_classes'))
    for to in ('official', 'mmsimmim', 'mmpretrain'):
        assert same_bits(convert_state_dict(convert_state_dict(weights, to=to), to='official'), learned(state))
    encoder = convert_state_dict(weights, to='backbone')
    for to in ('timm', 'hf'):
        if contents.extra_norm_every_n_blocks:
            with pytest.raises(ValueError, match='has no place for 2 of its parameters, such as .*norm3'):
                convert_state_dict(weights, to=to)
        else:
            assert same_bits(convert_state_dict(convert_state_dict(weights, to=to), to='backbone'), encoder)


@pytest.mark.parametrize('kwargs, size', [
    (dict(embed_dims=16, num_heads=[1, 2, 4, 8], extra_norm_every_n_blocks=6), 96),
    (dict(embed_dims=16, num_heads=[2, 4, 8, 16], extra_norm_every_n_blocks=6, position='rpe_mlp'), 96),
    (dict(extra_norm_every_n_blocks=6, in_channels=14, windows=(8, 8, 8, 4), maps=32), 128)])
def test_features_are_those_of_mmpretrain(kwargs, size):
    state = official_swin_v2(**(SHRUNK | kwargs), dtype=torch.float64)
    arch = {key: (SHRUNK | kwargs)[key] for key in (*SHRUNK, 'extra_norm_every_n_blocks')}
    windows, bands = list(kwargs.get('windows', (6, 6, 6, 3))), kwargs.get('in_channels', 3)
    theirs = PretrainSwinV2(arch, img_size=size, in_channels=bands, window_size=windows, drop_path_rate=0.).double()
    theirs.eval()  # returns nothing
    missing = theirs.load_state_dict({name.removeprefix('backbone.'): value for name, value in
                                      convert_state_dict(state, to='mmpretrain').items()}, strict=False)
    assert {name.rpartition('.')[2] for name in missing.missing_keys} == {'relative_coords_table',
                                                                         'relative_position_index'}
    ours = SwinTransformerV2(arch, img_size=size, in_channels=bands, window_size=max(windows)).double().eval()
    ours.load_state_dict(state, strict=False)
    images = torch.randn(1, bands, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert relative_error(ours(images)[0], theirs(images)[0]) < 1e-6


HUGE = dict(embed_dims=352, depths=[2, 2, 18, 2])
FOUND = {
    'of one H': (dict(HUGE, num_heads=[8, 16, 32, 64], extra_norm_every_n_blocks=6), 'huge'),
    'of the other': (dict(HUGE, num_heads=[4, 8, 16, 32], extra_norm_every_n_blocks=6), None),
    'of g': (dict(embed_dims=448, depths=[2, 2, 18, 2], num_heads=[14, 28, 56, 112]), 'giant-1b'),
}


@pytest.fixture(scope='module')
def huge():
    with torch.device('meta'):
        return SwinTransformerV2('huge')


@pytest.mark.parametrize('kind', FOUND)
def test_heads_and_extra_norms_are_the_files(kind, huge):
    """A file of another shape is refused with what to set, and with that it fits."""
    arch, name = FOUND[kind]
    with torch.device('meta'):
        fitting = huge if name == 'huge' else SwinTransformerV2(arch)
    state = convert_state_dict(fitting.state_dict(), to='official')
    assert recognise(state).arch == name and not fitting.compare(state).missing
    if name == 'huge':
        return
    with pytest.raises(CheckpointMismatch, match='Give a checkpoint of the same architecture, or set arch=') as error:
        huge.compare(state)
    said = re.search(r"arch=('.*?'|dict\(.*?\)) in the backbone", str(error.value))[1]
    assert eval(said) == name or eval(said) == {'extra_norm_every_n_blocks': 0, **arch}


@pytest.mark.parametrize('theirs, ours, message', [
    (6, 0, 'The file has an extra norm after every 6 blocks, the backbone no extra norms .norm3.: '
     'set extra_norm_every_n_blocks=6 in its arch'),
    (0, 6, 'The file has no extra norms, the backbone an extra norm after every 6 blocks .norm3.: '
     'set extra_norm_every_n_blocks=0 in its arch')])
def test_extra_norms_that_differ_load_nothing(theirs, ours, message):
    """Six parameters of hundreds, which no fraction of missing ones would show."""
    depths = dict(depths=[2, 2, 18, 2])
    state = official_swin_v2(**(SHRUNK | depths), extra_norm_every_n_blocks=theirs)
    backbone = SwinTransformerV2({**SHRUNK, **depths, 'extra_norm_every_n_blocks': ours})
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(CheckpointMismatch, match=message):
        backbone.load_state_dict(state, strict=False)
    assert same_bits(before, backbone.state_dict())
    backbone.min_matched = 0
    backbone.load_state_dict(state, strict=False)
    assert torch.equal(backbone.patch_embed.projection.weight, state['encoder.patch_embed.proj.weight'])


def test_extra_norms_without_a_rule_are_said():
    """As with NORM_STAGE of pytorch-caney, which adds one at the end of each stage."""
    state = official_swin_v2(**SHRUNK, extra_norm_every_n_blocks=6)
    state |= {f'encoder.layers.{stage}.blocks.1.norm3.{name}': torch.ones(8 * 2**stage) for stage in (0, 1, 3)
              for name in ('weight', 'bias')}
    contents = recognise(state)
    assert (contents.extra_norm_every_n_blocks, contents.arch) == (None, None)
    with pytest.raises(CheckpointMismatch, match='not after every n-th block.*which no setting gives'):
        SwinTransformerV2({**SHRUNK, 'extra_norm_every_n_blocks': 6}).load_state_dict(state, strict=False)


def test_other_channels_and_other_encoders_are_said():
    with pytest.raises(CheckpointMismatch, match='or set in_channels=14 in the backbone'):
        SwinTransformerV2({**SHRUNK, 'extra_norm_every_n_blocks': 6}).compare(sat_vision())
    with torch.device('meta'), pytest.raises(CheckpointMismatch, match="set type='mmsimmim.SwinTransformerV2', arch="):
        mmsimmim.models.SwinTransformer('tiny').compare(sat_vision())
