"""Key maps in both directions."""

import pytest
import torch

from mmsimmim.checkpoints import UnknownCheckpoint, convert_state_dict
from tests.checkpoints.random_weights import same_bits, vit
from tests.golden import below, load, relative_error, simmim_swin

BUFFERS = ('relative_position_index', 'relative_coords_table', 'attn_mask')


def official_pre_training(name):
    """Parameters in a file of reference numbers; index buffers and masks left out."""
    parameters = below(load(name), 'param/')
    return {key: tensor for key, tensor in parameters.items() if not key.endswith(BUFFERS)}


def official_vit_classifier():
    """As official fine-tuning saves it: a table per block, no prefix; the logits for its input are ``logits``."""
    arrays = load('finetune.npz')
    encoder = below(below(arrays, 'vit_finetune/pretrained/'), 'encoder.')
    table = encoder.pop('rel_pos_bias.relative_position_bias_table')
    left_out = ('mask_token', 'norm.weight', 'norm.bias', 'rel_pos_bias.relative_position_index')
    state = {key: tensor for key, tensor in encoder.items() if key not in left_out}
    state |= {f'blocks.{block}.attn.relative_position_bias_table': table.clone() for block in range(3)}
    return state | below(arrays, 'vit_finetune_same/new/'), below(arrays, 'vit_finetune_same/')


@pytest.mark.parametrize('name', ['simmim_swin.npz', 'simmim_swinv2.npz', 'simmim_vit.npz'])
def test_official_pre_training_there_and_back_gives_every_bit_again(name):
    official = official_pre_training(name)
    ours = convert_state_dict(below(load(name), 'param/'), to='mmsimmim')
    assert same_bits(convert_state_dict(ours, to='official'), official)
    gradients = below(load(name), 'grad/')
    again = convert_state_dict(convert_state_dict(gradients, to='mmsimmim'), to='official')
    assert gradients.keys() == official.keys() and same_bits(again, gradients)


def test_every_parameter_of_ours_is_in_an_official_file():
    ours = convert_state_dict(official_pre_training('simmim_swin.npz'), to='mmsimmim')
    assert set(ours) == set(simmim_swin()[0].state_dict())


def test_official_vit_classifier_gives_the_official_logits():
    state, expected = official_vit_classifier()
    ours = convert_state_dict(state, to='mmsimmim')
    encoder = vit(state, use_rel_pos_bias=True, use_shared_rel_pos_bias=False, final_norm=False,
                  out_type='avg_featmap')
    features = encoder(expected['input'])[-1]
    logits = torch.nn.functional.linear(features, ours['head.fc.weight'], ours['head.fc.bias'])
    assert relative_error(logits, expected['logits']) < 1e-6
    assert same_bits(convert_state_dict(ours, to='official'), state)


@pytest.mark.parametrize('name', ['simmim_swin.npz', 'simmim_swinv2.npz'])
def test_official_swin_classifier_there_and_back(name):
    """Also how microsoft/Swin-Transformer keeps its supervised models."""
    state = below(official_pre_training(name), 'encoder.') | {'head.weight': torch.randn(9, 32)}
    del state['mask_token']
    ours = convert_state_dict(state, to='mmsimmim')
    assert torch.equal(ours['head.fc.weight'], state['head.weight'])
    assert same_bits(convert_state_dict(ours, to='official'), state)


def test_position_bias_of_the_swin_v2_zoo_has_another_name():
    official = official_pre_training('simmim_swinv2.npz')
    zoo = {key.replace('cpb_mlp', 'rpe_mlp'): tensor for key, tensor in official.items()}
    assert set(zoo) != set(official)
    assert same_bits(convert_state_dict(zoo, to='official'), official)


def test_both_names_in_one_file_are_refused():
    official = official_pre_training('simmim_swinv2.npz')
    both = official | {key.replace('cpb_mlp', 'rpe_mlp'): tensor for key, tensor in official.items()}
    with pytest.raises(UnknownCheckpoint, match='two parameters stand for the same one'):
        convert_state_dict(both, to='mmsimmim')


@pytest.mark.parametrize('name, to', [
    *(('simmim_swin.npz', to) for to in ('timm', 'backbone', 'mmpretrain', 'mmdet', 'mmseg')),
    *(('simmim_swinv2.npz', to) for to in ('timm', 'hf', 'backbone', 'mmpretrain')),
    *(('simmim_vit.npz', to) for to in ('timm', 'hf', 'backbone', 'mmpretrain', 'mmseg'))])
def test_other_code_bases_hold_the_official_encoder(name, to):
    official = official_pre_training(name)
    encoder = convert_state_dict(official, to='backbone')
    assert same_bits(convert_state_dict(convert_state_dict(official, to=to), to='backbone'), encoder)


def test_a_backbone_file_holds_the_encoder_alone():
    backbone = convert_state_dict(official_pre_training('simmim_vit.npz'), to='backbone')
    assert not any(key.startswith(('backbone.', 'neck.', 'mask_token', 'rel_pos_bias.')) for key in backbone)
    tables = [backbone[f'layers.{block}.attn.relative_position_bias_table'] for block in range(3)]
    assert torch.equal(tables[0], tables[2]) and tables[0].data_ptr() != tables[2].data_ptr()


def test_hugging_face_has_one_window_for_all_stages():
    with pytest.raises(ValueError, match="different windows.*'timm'"):
        convert_state_dict(official_pre_training('simmim_swin.npz'), to='hf')


def test_mmsegmentation_has_no_position_embeddings():
    official = official_pre_training('simmim_vit.npz') | {'encoder.pos_embed': torch.zeros(1, 37, 16)}
    with pytest.raises(ValueError, match='BEiT of mmsegmentation has no place .*pos_embed'):
        convert_state_dict(official, to='mmseg')
    classifier = convert_state_dict(official_vit_classifier()[0], to='mmseg')
    assert not any(key.startswith(('ln2', 'head')) for key in classifier)


def test_what_keeps_its_layout_is_not_copied():
    official = official_pre_training('simmim_swinv2.npz')
    ours = convert_state_dict(official, to='mmsimmim')
    fused = ours['backbone.stages.1.blocks.0.attn.w_msa.qkv.weight']
    assert fused is official['encoder.layers.1.blocks.0.attn.qkv.weight']
    query = convert_state_dict(ours, to='hf')['swinv2.encoder.layers.1.blocks.0.attention.self.query.weight']
    assert query.data_ptr() == fused.data_ptr()


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


@pytest.mark.parametrize('old', ['backbone.norm.bias', 'norm.bias'])
def test_mmcls_had_another_name_for_the_last_norm(old):
    prefix = old.removesuffix('norm.bias')
    state = {prefix + 'stages.2.blocks.0.norm1.bias': torch.zeros(8), old: torch.zeros(8)}
    assert 'backbone.norm2.bias' in convert_state_dict(state, to='mmsimmim')


def test_what_is_converted_already_comes_back_as_a_copy():
    ours = {'backbone.norm3.bias': torch.zeros(8)}
    again = convert_state_dict(ours, to='mmsimmim')
    assert same_bits(again, ours) and again is not ours


@pytest.mark.parametrize('state, to, error, message', [
    ({'encoder.blocks.0.attn.norm.bias': torch.zeros(8)}, 'mmsimmim', UnknownCheckpoint, 'blocks.0.attn.norm.bias'),
    ({'layer4.0.conv1.weight': torch.zeros(8)}, 'official', UnknownCheckpoint, 'layer4'),
    ({'layers.0.downsample.norm.bias': torch.zeros(6)}, 'mmsimmim', UnknownCheckpoint, r'norm\.bias cannot .* \(6,\)'),
    ({'encoder.norm.bias': torch.zeros(8)}, 'paddle', ValueError, 'paddle')])
def test_what_no_rule_knows_is_refused(state, to, error, message):
    with pytest.raises(error, match=message):
        convert_state_dict(state, to=to)
