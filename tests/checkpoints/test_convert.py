"""Key maps in both directions."""

import pytest
import torch

from mmsimmim.checkpoints import UnknownCheckpoint, convert_state_dict
from tests.golden import below, load, simmim_swin


def test_there_and_back_gives_every_bit_again():
    official = {key: value for key, value in below(load('simmim_swin.npz'), 'param/').items()
                if not key.endswith(('relative_position_index', 'attn_mask'))}
    ours = convert_state_dict(official, to='mmsimmim')
    assert set(ours) == set(simmim_swin()[0].state_dict())
    again = convert_state_dict(ours, to='official')
    assert again.keys() == official.keys()
    assert all(torch.equal(again[key], value) for key, value in official.items())


def test_merging_order_by_definition():
    """Channel c of the token at (row, col): official (col * 2 + row) * C + c, ours c * 4 + row * 2 + col."""
    channels = 3
    official = {'encoder.layers.0.downsample.norm.weight': torch.arange(4. * channels),
                'encoder.layers.0.downsample.reduction.weight': torch.arange(8. * 3 * 3).reshape(6, 12)}
    ours = convert_state_dict(official, to='mmsimmim')
    for c in range(channels):
        for row in range(2):
            for col in range(2):
                here, there = c * 4 + row * 2 + col, (col * 2 + row) * channels + c
                assert ours['backbone.stages.0.downsample.norm.weight'][here] == there
                assert torch.equal(ours['backbone.stages.0.downsample.reduction.weight'][:, here],
                                   official['encoder.layers.0.downsample.reduction.weight'][:, there])


def test_buffers_are_left_out_and_the_last_norm_follows_the_depth():
    official = {'encoder.layers.1.blocks.0.attn.relative_position_index': torch.zeros(36, 36),
                'encoder.layers.1.blocks.0.attn_mask': torch.zeros(4, 36, 36),
                'encoder.layers.1.blocks.0.norm1.bias': torch.zeros(8), 'encoder.norm.bias': torch.zeros(8)}
    assert list(convert_state_dict(official, to='mmsimmim')) == [
        'backbone.stages.1.blocks.0.norm1.bias', 'backbone.norm1.bias']


@pytest.mark.parametrize('to', ['mmsimmim', 'official'])
def test_buffers_of_mmpretrain_are_left_out(to):
    block = 'backbone.stages.0.blocks.0.attn.w_msa.'
    theirs = {block + 'relative_position_index': torch.zeros(36, 36), block + 'proj.bias': torch.zeros(8)}
    assert len(convert_state_dict(theirs, to=to)) == 1


def test_what_is_converted_already_comes_back_as_a_copy():
    ours = {'backbone.norm3.bias': torch.zeros(8)}
    again = convert_state_dict(ours, to='mmsimmim')
    assert again == ours and again is not ours


@pytest.mark.parametrize('state, to, error, message', [
    ({'encoder.blocks.0.attn.norm.bias': torch.zeros(8)}, 'mmsimmim', UnknownCheckpoint, 'blocks.0.attn.norm.bias'),
    ({'layer4.0.conv1.weight': torch.zeros(8)}, 'official', UnknownCheckpoint, 'layer4'),
    ({'encoder.norm.bias': torch.zeros(8)}, 'paddle', ValueError, 'paddle')])
def test_what_no_rule_knows_is_refused(state, to, error, message):
    with pytest.raises(error, match=message):
        convert_state_dict(state, to=to)
